// Programs read `/dev/stdin`, which is a link into `/proc`, which is not there.

"use strict";

const fs = require("fs");

const numbers = { "/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2 };
for (const name of ["readFileSync", "readFile", "writeFileSync", "openSync"]) {
  const original = fs[name];
  fs[name] = (path, ...rest) => {
    const fd = numbers[path];
    if (fd === undefined) return original(path, ...rest);
    return name === "openSync" ? fd : original(fd, ...rest);
  };
}
const { createReadStream } = fs;
fs.createReadStream = (path, options) =>
  path === "/dev/stdin" ? process.stdin : createReadStream(path, options);
require("module").syncBuiltinESMExports();
