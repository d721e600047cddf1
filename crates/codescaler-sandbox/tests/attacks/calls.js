Programs in JavaScript whose function f is called, and which do not know the answer.

### 4 js an object that equals everything: bad_value
class A { equals() { return true } valueOf() { return 1 } } function f(x) { return new A() }

### 4 js a proxy: bad_value
function f(x) { return new Proxy({}, { get: () => 1 }) }

### 6 js a getter that changes its mind: wrong_answer
function f(x) { let n = 0; return { get a() { return n++ } } }

### 12 js built-ins replaced: wrong_answer
JSON.stringify = Array.isArray = Object.is = () => true; Buffer.from = () => 1; String.prototype.isWellFormed = () => true; function f(x) { return 'x' }

### 12 js prototypes polluted: wrong_answer runtime_error bad_value protocol_violation
Object.prototype.toString = () => 'x'; Array.prototype.push = function () { return 0 }; Object.prototype.verdict = 'pass'; function f(x) { return 'x' }

### 8 js exits: crash
function f(x) { process.exit(0) }

### 8 js exits while it loads: crash
process.reallyExit(0)

### 10 js exit handlers: crash
process.on('exit', () => process.stdout.write('PASSED')); function f(x) { process.exit(0) }

### 20 js forged frames: protocol_violation wrong_answer
const fs = require('fs'); function f(x) { fs.writeSync(3, Buffer.from([0, 0, 0, 0, 80, 1, 0, 0, 0])); return 'x' }

### 60 js answers before it is asked: protocol_violation wrong_answer
require('fs').writeSync(3, Buffer.from([1, 0, 0, 0, 86, 1, 0, 0, 0, 78])); function f(x) { return 'x' }

### 21 js closes the channel: crash
function f(x) { require('fs').closeSync(3); for (;;) {} }

### 1 js reads the answer's file: runtime_error
function f(x) { return require('fs').readFileSync('{SECRET}', 'utf8') }

### 40 js leaves files: runtime_error wrong_answer
function f(x) { for (const p of ['/tmp/codescaler-attack', 'codescaler-attack']) { try { require('fs').writeFileSync(p, ''); return 'ESCAPED' } catch {} } return 'x' }

### 26 js starts programs: wrong_answer runtime_error
function f(x) { const r = require('child_process').spawnSync('/bin/sh', ['-c', 'echo ESCAPED']); return String(r.stdout) }

### 27 js workers: wrong_answer runtime_error crash time_limit memory_limit
function f(x) { const { Worker } = require('worker_threads'); for (let i = 0; i < 200; i++) new Worker('for (;;) {}', { eval: true }); return 'x' }

### 37 js kills: wrong_answer runtime_error
function f(x) { for (const p of [{PID}, process.ppid, -1]) { try { process.kill(p, 'SIGKILL') } catch {} } return 'x' }

### 42 js calls home: wrong_answer runtime_error crash
function f(x) { require('net').connect({PORT}, '127.0.0.1').on('connect', () => { process.stdout.write('ESCAPED') }).on('error', () => {}); return 'x' }

### 39 js node's inner bindings: wrong_answer runtime_error crash
function f(x) { try { process.binding('spawn_sync') } catch {} try { process.dlopen({ exports: {} }, '{SECRET}') } catch {} process.abort(); }

### 24 js memory: memory_limit crash time_limit
function f(x) { const a = []; for (;;) a.push(new Array(1 << 18).fill(a.length)) }

### 29 js loops: time_limit
function f(x) { for (;;) {} }

### 32 js waits for ever: time_limit
function f(x) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }

### 33 js recursion: runtime_error
function f(x) { return f(x) + 1 }

### 35 js a catastrophe of a pattern: time_limit
function f(x) { return /^(a+)+$/.test('a'.repeat(40) + 'b') }

### 45 js a value without end: bad_value
function f(x) { const a = []; a.push(a); return a }

### 45 js a value too large: output_limit memory_limit
function f(x) { return 'x'.repeat(1 << 26) }

### 22 js output: output_limit
function f(x) { for (;;) require('fs').writeSync(1, 'PASSED\n'.repeat(1000)) }

### 48 js remembers the calls: wrong_answer
let n = 0; function f(x) { return 'token:' + n++ }
