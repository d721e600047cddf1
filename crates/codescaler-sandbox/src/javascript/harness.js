// Answers calls of a JavaScript program's function or method, as `python/zygote.py` does for Python.
//
// Frames on descriptor 3: four bytes of length, a kind, four bytes of number, the payload. Values
// are in version 2 of Python's marshal format. What goes out is values, never verdicts.

"use strict";

(() => {
  const fs = require("fs");
  const vm = require("vm");
  const { types } = require("util");
  const CHANNEL = 3;
  const VALUE_BYTES_MAX = 32 << 20;
  const DEPTH_MAX = 64;
  // A program may replace what is built in; what is ours stays as it was.
  const { readSync, writeSync } = fs;
  const { isArray } = Array;
  const { getPrototypeOf, getOwnPropertyNames } = Object;
  const { isSafeInteger } = Number;
  const { isProxy, isMap, isSet, isTypedArray } = types;
  const { from, alloc, concat } = Buffer;
  const exit = process.reallyExit.bind(process);
  const plain_prototypes = [Object.prototype, null];

  function readExactly(size) {
    const data = alloc(size);
    let n = 0;
    while (n < size) {
      const more = readSync(CHANNEL, data, n, size - n, null);
      if (more === 0) exit(0);
      n += more;
    }
    return data;
  }

  function readFrame() {
    const header = readExactly(9);
    const size = header.readUInt32LE(0);
    return [header[4], header.readUInt32LE(5), size > 0 ? readExactly(size) : alloc(0)];
  }

  function writeFrame(kind, number, payload = alloc(0)) {
    const header = alloc(9);
    header.writeUInt32LE(payload.length, 0);
    header[4] = kind.charCodeAt(0);
    header.writeUInt32LE(number, 5);
    const data = concat([header, payload]);
    for (let n = 0; n < data.length; ) n += writeSync(CHANNEL, data, n, data.length - n);
  }

  class NotPlain extends Error {}
  class TooLarge extends Error {}

  // Writing values.

  function encode(value) {
    const parts = [];
    let n_bytes = 0;
    const put = (part) => {
      n_bytes += part.length;
      if (n_bytes > VALUE_BYTES_MAX) throw new TooLarge();
      parts.push(part);
    };
    const tagged = (tag, size) => {
      const part = alloc(1 + size);
      part[0] = tag.charCodeAt(0);
      return part;
    };
    const length = (tag, n) => {
      const part = tagged(tag, 4);
      part.writeInt32LE(n, 1);
      put(part);
    };
    const items = (tag, list, depth) => {
      length(tag, list.length);
      for (let i = 0; i < list.length; i++) write(list[i], depth);
    };
    const entries = (list, depth) => {
      put(from("{"));
      for (const [key, item] of list) {
        write(key, depth);
        write(item, depth);
      }
      put(from("0"));
    };
    const integer = (value) => {
      if (value >= -2147483648n && value <= 2147483647n) {
        const part = tagged("i", 4);
        part.writeInt32LE(Number(value), 1);
        return put(part);
      }
      let rest = value < 0n ? -value : value;
      const digits = [];
      for (; rest > 0n; rest >>= 15n) digits.push(Number(rest & 0x7fffn));
      const part = tagged("l", 4 + 2 * digits.length);
      part.writeInt32LE(value < 0n ? -digits.length : digits.length, 1);
      digits.forEach((digit, i) => part.writeUInt16LE(digit, 5 + 2 * i));
      put(part);
    };
    const write = (value, depth) => {
      if (depth === 0) throw new NotPlain("nested too deeply");
      switch (typeof value) {
        case "undefined":
          return put(from("N"));
        case "boolean":
          return put(from(value ? "T" : "F"));
        case "bigint":
          return integer(value);
        case "number": {
          if (isSafeInteger(value) && !(value === 0 && 1 / value < 0)) return integer(BigInt(value));
          const part = tagged("g", 8);
          part.writeDoubleLE(value, 1);
          return put(part);
        }
        case "string": {
          if (!value.isWellFormed()) throw new NotPlain("text with lone surrogates");
          const text = from(value, "utf8");
          length("u", text.length);
          return put(text);
        }
        case "object":
          break;
        default:
          throw new NotPlain(typeof value);
      }
      if (value === null) return put(from("N"));
      if (isProxy(value)) throw new NotPlain("Proxy");
      if (isArray(value) || isTypedArray(value)) return items("[", value, depth - 1);
      if (isSet(value)) return items("<", [...value], depth - 1);
      if (isMap(value)) return entries([...value], depth - 1);
      if (plain_prototypes.includes(getPrototypeOf(value))) {
        return entries(getOwnPropertyNames(value).map((name) => [name, value[name]]), depth - 1);
      }
      throw new NotPlain(value.constructor?.name ?? "object");
    };
    write(value, DEPTH_MAX);
    return concat(parts);
  }

  // Reading values: those of our own side.

  function decode(data) {
    let at = 0;
    const length = () => data.readInt32LE((at += 4) - 4);
    const text = () => {
      const n = length();
      return data.toString("utf8", at, (at += n));
    };
    const list = () => Array.from({ length: length() }, read);
    function read() {
      const tag = String.fromCharCode(data[at++]);
      switch (tag) {
        case "N":
          return null;
        case "T":
          return true;
        case "F":
          return false;
        case "i":
          return data.readInt32LE((at += 4) - 4);
        case "l": {
          const n = length();
          let value = 0n;
          for (let i = Math.abs(n) - 1; i >= 0; i--) {
            value = (value << 15n) | BigInt(data.readUInt16LE(at + 2 * i));
          }
          at += 2 * Math.abs(n);
          if (n < 0) value = -value;
          return isSafeInteger(Number(value)) ? Number(value) : value;
        }
        case "g":
          return data.readDoubleLE((at += 8) - 8);
        case "u":
          return text();
        case "s": {
          const n = length();
          return [...data.subarray(at, (at += n))];
        }
        case "[":
        case "(":
          return list();
        case "<":
        case ">":
          return new Set(list());
        case "{": {
          const entries = [];
          while (data[at] !== 0x30) entries.push([read(), read()]);
          at++;
          const is_object = entries.every(([key]) => typeof key === "string");
          return is_object ? Object.fromEntries(entries) : new Map(entries);
        }
        default:
          throw new NotPlain(`no JavaScript value for ${tag}`);
      }
    }
    return read();
  }

  // An exception as plain values: its name, its message, the line, the built-in it is like.
  function describe(error) {
    let [name, message, line] = ["Error", "", 0];
    try {
      name = String(error?.name ?? typeof error).slice(0, 200).toWellFormed();
      message = String(error?.message ?? error).slice(0, 2000).toWellFormed();
      line = Number(/program\.m?js:(\d+)/.exec(String(error?.stack))?.[1] ?? 0);
    } catch {}
    const builtin = name === "SyntaxError" ? "SyntaxError" : "Exception";
    const fields = encode([name, message, line, builtin]);
    fields[0] = "(".charCodeAt(0);
    return fields;
  }

  // The target by its name, wherever a program can put it: at the top level, or in its exports.
  function find(program, class_name, name) {
    const look = (wanted) => {
      try {
        const found = vm.runInThisContext(wanted);
        if (found !== undefined) return found;
      } catch (error) {
        if (!(error instanceof ReferenceError)) throw error;
      }
      const { exports } = program;
      const found = exports?.[wanted] ?? exports?.default?.[wanted];
      if (found !== undefined) return found;
      if (typeof exports === "function" && exports.name === wanted) return exports;
      throw new ReferenceError(`${wanted} is not defined`);
    };
    if (class_name === null) {
      const target = look(name);
      return (values) => target(...values);
    }
    const owner = look(class_name);
    return (values) => new owner()[name](...values);
  }

  function seeded(seed) {
    // A small generator (mulberry32): randomness repeats.
    let state = Number(BigInt(seed) & 0xffffffffn);
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  function answer(call, number, payload) {
    let values;
    try {
      values = decode(payload);
    } catch (error) {
      return writeFrame("E", number, describe(error));
    }
    try {
      const value = call(values);
      if (value instanceof Promise) throw new NotPlain("Promise");
      writeFrame("V", number, encode(value));
    } catch (error) {
      if (error instanceof NotPlain) writeFrame("B", number, from(error.message));
      else if (error instanceof TooLarge) writeFrame("L", number);
      else writeFrame("E", number, describe(error));
    }
  }

  const spec = decode(readFrame()[2]);
  Math.random = seeded(spec.seed);
  let call;
  try {
    // Scripts share their top level with us, so that `const` and `class` are found, too.
    const text = fs.readFileSync("program.js", "utf8").replace(/^export\s+(default\s+)?/gm, "");
    const script = new vm.Script(text, { filename: "program.js" });
    const program = { exports: {} };
    Object.assign(globalThis, { require, module: program, exports: program.exports });
    script.runInThisContext();
    call = find(program, spec.class, spec.name);
    writeFrame("R", 0);
  } catch (error) {
    writeFrame(error instanceof SyntaxError ? "C" : "E", 0, describe(error));
    exit(0);
  }
  for (;;) {
    const [, number, payload] = readFrame();
    answer(call, number, payload);
  }
})();
