'use strict'

// Loaded by Node.js before the function, in its worker threads and in the Node.js
// processes that it starts: 'wirepost dev' wrote it. It leads connections to hosts of AWS
// that 'wirepost dev' stands in for to a port of this machine. Everything else is as it
// was.

const threads = require('node:worker_threads')

const installed = Symbol.for('wirepost.intercept')
// A worker may have an environment of its own.
const text = process.env.WIREPOST_INTERCEPT || threads.getEnvironmentData('wirepost.intercept')
if (text && !globalThis[installed]) {
  Object.defineProperty(globalThis, installed, { value: true })
  threads.setEnvironmentData('wirepost.intercept', text)
  install(JSON.parse(text))
}

function install (here) {
  const net = require('node:net')
  const tls = require('node:tls')
  const http = require('node:http')
  const { errorMonitor } = require('node:events')
  const taken = new RegExp(here.taken)
  const aws = new RegExp(here.aws)
  const original = { connect: net.connect, secure: tls.connect, request: http.request }

  const nameOf = (host) => typeof host === 'string' ? host.toLowerCase().replace(/\.$/, '') : ''

  // tell says that a host of AWS was called that is not here. Nothing waits for it.
  function tell (host, error) {
    const socket = original.connect({ host: '127.0.0.1', port: here.proxy })
    socket.on('error', () => {})
    socket.resume()
    socket.unref()
    socket.end(`POST /calls?host=${encodeURIComponent(host)}&error=${encodeURIComponent(error?.code || error || '')} HTTP/1.1\r\nHost: 127.0.0.1\r\nProxy-Authorization: ${here.authorization}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  }

  // watch tells how a connection to a host ends up.
  function watch (socket, host) {
    let told = false
    socket.once('secureConnect', () => { told = true; tell(host) })
    socket.once(errorMonitor, (error) => { if (!told) tell(host, error) })
  }

  // optionsOf are the options of tls.connect(options), (port, host, options) and
  // (port, options), each with a callback; undefined for a path.
  function optionsOf (args) {
    const [first, second, third] = args
    if (first !== null && typeof first === 'object') return first
    if (typeof first !== 'number' && !(typeof first === 'string' && /^\d+$/.test(first))) return undefined
    const more = second !== null && typeof second === 'object' ? second : third
    return { port: first, host: typeof second === 'string' ? second : undefined, ...(typeof more === 'object' ? more : {}) }
  }

  // withToken adds the protocol that shows the token to those of the client.
  function withToken (protocols) {
    const own = Buffer.from(here.protocol)
    if (Array.isArray(protocols)) return [...protocols, here.protocol]
    if (ArrayBuffer.isView(protocols)) {
      const list = Buffer.from(protocols.buffer, protocols.byteOffset, protocols.byteLength)
      return Buffer.concat([list, Buffer.from([own.length]), own])
    }
    return [here.protocol]
  }

  tls.connect = function connect (...args) {
    const options = optionsOf(args)
    if (!options || options.socket || options.path || Number(options.port) !== 443) return original.secure.apply(this, args)
    const name = nameOf(options.servername || options.host)
    if (!taken.test(name)) {
      const socket = original.secure.apply(this, args)
      if (aws.test(name)) watch(socket, name)
      return socket
    }
    const callback = args.find((a) => typeof a === 'function')
    const led = {
      ...options, host: '127.0.0.1', port: here.tls, servername: name, ALPNProtocols: withToken(options.ALPNProtocols),
      lookup: undefined, family: undefined, localAddress: undefined
    }
    return callback ? original.secure.call(this, led, callback) : original.secure.call(this, led)
  }

  // hostOf is the host and the port that http.request is asked for.
  function hostOf (first, second) {
    const more = second !== null && typeof second === 'object' ? second : {}
    let options = first
    if (typeof first === 'string' || first instanceof URL) {
      if (typeof first === 'string' && !URL.canParse?.(first)) return undefined
      const url = new URL(first)
      options = {
        protocol: url.protocol, hostname: url.hostname, port: url.port || undefined, path: url.pathname + url.search,
        auth: url.username ? decodeURIComponent(url.username) + ':' + decodeURIComponent(url.password) : undefined, ...more
      }
    }
    if (options === null || typeof options !== 'object' || options.socketPath || options.createConnection) return undefined
    if (options.protocol && options.protocol !== 'http:') return undefined
    if (Number(options.port || options.defaultPort || 80) !== 80) return undefined
    return options
  }

  // led are the arguments of a request that goes to the proxy, which takes the whole URL
  // for a path.
  function led (args) {
    const options = hostOf(args[0], args[1])
    const name = options && nameOf(options.hostname || options.host)
    if (!options || !taken.test(name)) {
      if (options && aws.test(name)) tell(name)
      return args
    }
    const headers = Array.isArray(options.headers) ? fromList(options.headers) : { ...options.headers }
    const given = Object.keys(headers).find((h) => h.toLowerCase() === 'host')
    const host = given ? headers[given] : name
    if (!given) headers.Host = name
    headers['Proxy-Authorization'] = here.authorization
    const led = { ...options, headers, host: '127.0.0.1', hostname: '127.0.0.1', port: here.proxy, path: 'http://' + host + (options.path || '/') }
    for (const gone of ['lookup', 'family', 'localAddress', 'href', 'origin']) delete led[gone]
    const callback = args.find((a) => typeof a === 'function')
    return callback ? [led, callback] : [led]
  }

  function fromList (list) {
    const headers = {}
    const flat = list.every(Array.isArray) ? list.flat() : list
    for (let i = 0; i + 1 < flat.length; i += 2) headers[flat[i]] = flat[i + 1]
    return headers
  }

  http.request = function request (...args) {
    return original.request.apply(this, led(args))
  }
  http.get = function get (...args) {
    const request = http.request(...args)
    request.end()
    return request
  }

  require('node:module').syncBuiltinESMExports()
}
