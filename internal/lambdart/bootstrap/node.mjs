// Calls a Lambda handler in the place of Lambda's Node.js runtime: it loads
// _HANDLER from LAMBDA_TASK_ROOT, gets events from the Runtime API and posts what
// the handler makes of them.
import fs from 'fs';
import module from 'module';
import net from 'net';
import path from 'path';
import url from 'url';
import { hookRequire } from './resolve.mjs';

const env = process.env;
const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(':');
const major = Number(process.versions.node.split('.')[0]);
env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs' + major + '.x';

let current = null; // the ID of the invocation that runs
let started = false; // the handler is loaded

// The requests to the Runtime API, the first of which is being answered. Each is one write
// on a connection that stays. It is not made by the module http: that takes longer than
// the rest of an invocation.
const requests = [];
let socket = null;
let answer = null; // what has arrived of the answer

function call(method, resource, body, fields) {
  const text = method + ' /2018-06-01/runtime/' + resource + ' HTTP/1.1\r\nHost: ' + env.AWS_LAMBDA_RUNTIME_API + '\r\n' + (fields || '') + '\r\n' + (body || '');
  return new Promise((resolve, reject) => {
    requests.push({ text, resolve, reject });
    if (requests.length === 1) send();
  });
}

function send() {
  if (!socket) connect();
  answer = { parts: [], length: 0, head: null };
  socket.ref();
  socket.write(requests[0].text);
}

function connect() {
  const opened = net.connect({ host, port: Number(port), noDelay: true });
  socket = opened;
  const gone = (error) => {
    if (socket !== opened) return;
    socket = null;
    if (requests.length) settle((request) => request.reject(error || new Error('the Runtime API closed the connection')));
  };
  opened.on('data', receive);
  opened.on('error', gone);
  opened.on('close', () => gone());
}

function settle(how) {
  const request = requests.shift();
  if (requests.length) send();
  else if (socket) socket.unref(); // a handler that leaves nothing to happen ends with that
  how(request);
}

function receive(part) {
  if (!requests.length) return;
  answer.parts.push(part);
  answer.length += part.length;
  if (answer.head && answer.length < answer.head.end) return;
  const all = answer.parts.length > 1 ? Buffer.concat(answer.parts) : part;
  answer.parts = [all];
  if (!answer.head) answer.head = parseHead(all);
  const head = answer.head;
  if (!head || all.length < head.end) return;
  if (head.headers.connection === 'close') {
    socket.destroy();
    socket = null;
  }
  settle((request) => request.resolve({ status: head.status, headers: head.headers, body: all.subarray(head.begin, head.end) }));
}

// The head of an answer, or null while that has not arrived. The Runtime API always says
// how long its body is.
function parseHead(all) {
  const size = all.indexOf('\r\n\r\n');
  if (size < 0) return null;
  const [first, ...lines] = all.latin1Slice(0, size).split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const begin = size + 4;
  return { status: Number(first.split(' ')[1]), headers, begin, end: begin + Number(headers['content-length'] || 0) };
}

function post(resource, body, fields) {
  return call('POST', resource, body, 'Content-Type: application/json\r\nContent-Length: ' + Buffer.byteLength(body) + '\r\n' + (fields || ''));
}

function describe(error, type) {
  if (error instanceof StartError) { // its sentence says it all, and its stack is in this file
    return { errorType: error.name, errorMessage: error.message, trace: [] };
  }
  if (error instanceof Error || (error && typeof error.stack === 'string')) {
    return {
      errorType: type || error.name || 'Error',
      errorMessage: String(error.message),
      trace: String(error.stack).split('\n'),
    };
  }
  return { errorType: type || typeof error, errorMessage: String(error), trace: [] };
}

function postError(resource, described) {
  const type = described.errorType.replace(/[^\x20-\x7e]/g, '?');
  return post(resource, JSON.stringify(described), 'Lambda-Runtime-Function-Error-Type: ' + type + '\r\n');
}

class StartError extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

// What an error while the handler was loaded is called.
function kindOf(error) {
  if (error instanceof StartError) return error.name;
  if (error instanceof SyntaxError) return 'Runtime.UserCodeSyntaxError';
  if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) return 'Runtime.ImportModuleError';
  return undefined;
}

const require = module.createRequire(import.meta.url);
const around = JSON.parse(fs.readFileSync(new URL('around.json', import.meta.url)));

// Lets the handler find what Lambda has outside its folder.
function hook() {
  hookRequire(around);
  if (module.register) module.register('./resolve.mjs', import.meta.url, { data: around }); // since 18.19
}

// Refuses ES modules that only newer Node.js takes for such. Lambda turns that off
// before nodejs24.x (AWS docs, Lambda developer guide, "Building Lambda functions with
// Node.js"; for nodejs20.x, whose Node.js has learned it late, UNCERTAIN).
function refuseGuessedModule(file) {
  const given = (env.NODE_OPTIONS || '').includes('--experimental-detect-module');
  if (given || !around.version || around.version >= 24 || !file.endsWith('.js') || require.cache[fs.realpathSync(file)]) return;
  for (let dir = path.dirname(fs.realpathSync(file)); ; dir = path.dirname(dir)) {
    const text = path.join(dir, 'package.json');
    if (fs.existsSync(text)) {
      if (JSON.parse(fs.readFileSync(text)).type === 'module') return;
      break;
    }
    if (dir === path.dirname(dir)) break;
  }
  throw new StartError('Runtime.UserCodeSyntaxError', 'Cannot use import statement outside a module');
}

async function load() {
  if (major < 18) {
    throw new StartError('Runtime.Unsupported', 'Node.js ' + process.version + ' is too old; handlers need 18 or later');
  }
  const slash = env._HANDLER.lastIndexOf('/') + 1;
  const dot = env._HANDLER.indexOf('.', slash);
  const base = path.join(env.LAMBDA_TASK_ROOT, env._HANDLER.slice(0, dot));
  const names = env._HANDLER.slice(dot + 1).split('.');
  const file = ['.js', '.mjs', '.cjs', '/index.js'].map((end) => base + end).find((name) => fs.existsSync(name));
  if (!file) {
    throw new StartError('Runtime.ImportModuleError', "Cannot find module '" + base + "'");
  }
  hook();
  const loaded = await import(url.pathToFileURL(file).href);
  refuseGuessedModule(file);
  for (const root of [loaded, loaded.default]) {
    const found = names.reduce((value, name) => (value === undefined || value === null ? undefined : value[name]), root);
    if (typeof found === 'function') return found;
  }
  const has = Object.keys(loaded).filter((name) => name !== 'default' && name !== 'module.exports');
  throw new StartError('Runtime.HandlerNotFound',
    names.join('.') + ' is not a function that ' + path.basename(file) + ' exports; it exports ' + (has.join(', ') || 'nothing by name'));
}

// Calls the handler, whatever its style, and resolves to its result.
function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    let outcome = null; // what a callback was given, when it is to wait
    let over = false;
    const end = (error, value) => {
      if (over) return;
      over = true;
      process.removeListener('beforeExit', empty);
      if (error !== null && error !== undefined) reject(error);
      else resolve(value);
    };
    // What Lambda makes of an error that is nothing.
    const fail = (error) => end(error === undefined || error === null ? 'handled' : error);
    // Nothing is left that could happen: what was given, or null, is the result.
    const empty = () => (outcome ? end(...outcome) : end(null, null));
    process.on('beforeExit', empty);
    const callback = (error, value) => {
      if (outcome) return;
      outcome = [error, value];
      if (!context.callbackWaitsForEmptyEventLoop) end(error, value);
    };
    context.done = (error, value) => {
      context.callbackWaitsForEmptyEventLoop = false;
      callback(error, value);
    };
    context.succeed = (value) => context.done(null, value);
    context.fail = (error) => context.done(error === undefined || error === null ? 'handled' : error);
    let result;
    try {
      result = handler(event, context, callback);
    } catch (error) {
      fail(error);
      return;
    }
    if (result && typeof result.then === 'function') {
      result.then((value) => end(null, value), fail);
    }
  });
}

function makeContext(headers) {
  const clientContext = headers['lambda-runtime-client-context'];
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    clientContext: clientContext ? JSON.parse(clientContext) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

async function serve(handler) {
  const next = await call('GET', 'invocation/next');
  if (next.status !== 200) throw new Error('the Runtime API answered ' + next.status);
  const id = next.headers['lambda-runtime-aws-request-id'];
  current = id;
  env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'] || '';
  try {
    const value = await run(handler, JSON.parse(next.body.toString()), makeContext(next.headers));
    let answer;
    try {
      answer = JSON.stringify(value === undefined ? null : value);
      if (answer === undefined) throw new Error('a ' + typeof value);
    } catch (error) {
      throw new StartError('Runtime.SerializationError', 'what the handler returned is not JSON: ' + error.message);
    }
    current = null;
    await post('invocation/' + id + '/response', answer);
  } catch (error) {
    if (current === null) throw error; // it was posted, or not
    current = null;
    console.error(error);
    await postError('invocation/' + id + '/error', describe(error));
  }
}

// What nobody caught ends the process, as on Lambda, and the invocation with it.
async function fatal(error, type, status) {
  const described = describe(error, type);
  if (type) described.errorMessage = String(error); // with the error's own name, as on Lambda
  process.removeAllListeners('uncaughtException');
  process.removeAllListeners('unhandledRejection');
  console.error(error);
  try {
    if (current) await postError('invocation/' + current + '/error', described);
    else if (!started) await postError('init/error', described);
  } finally {
    process.exit(status);
  }
}
const uncaught = (error) => fatal(error, undefined, 129);
const unhandled = (error) => fatal(error, 'Runtime.UnhandledPromiseRejection', 128);
process.on('uncaughtException', uncaught);
process.on('unhandledRejection', unhandled);

let handler;
try {
  handler = await load();
  started = true;
} catch (error) {
  await postError('init/error', describe(error, kindOf(error)));
  if (!(error instanceof SyntaxError)) {
    if (!(error instanceof StartError)) console.error(error);
    process.exit(1);
  }
  // Thrown where nobody catches it, Node.js shows the line it is about.
  process.removeListener('uncaughtException', uncaught);
  process.removeListener('unhandledRejection', unhandled);
  setImmediate(() => { throw error; });
  await new Promise(() => {});
}
for (;;) {
  try {
    await serve(handler);
  } catch (error) {
    process.exit(1); // the Runtime API is gone: wirepost dev has ended
  }
}
