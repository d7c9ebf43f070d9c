// The handler for all of AWS's clients for JavaScript: client.js has the client. What is
// to be done is done here, in a worker thread or in a child process.
'use strict'
const { execFile } = require('node:child_process')
const threads = require('node:worker_threads')
const client = require('./client.js')

async function run (what, event) {
  const id = event.requestContext.connectionId
  if (what.do === 'table') return client.table(what)
  if (what.do === 'invoke') return client.invoke(what)
  await client.post(what, id)
  return 'posted'
}

function elsewhere (what, event) {
  const text = JSON.stringify({ what: { ...what, where: '' }, event })
  return new Promise((resolve, reject) => {
    if (what.where === 'child') {
      execFile(process.execPath, [__filename, text], (error, out) => error ? reject(error) : resolve(out))
      return
    }
    const worker = new threads.Worker(__filename, { workerData: text, env: { ...process.env, WIREPOST_INTERCEPT: '' } })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

exports.handler = async (event) => {
  const what = JSON.parse(event.body)
  return { statusCode: 200, body: await (what.where ? elsewhere : run)(what, event) }
}

if (!threads.isMainThread || require.main === module) {
  const { what, event } = JSON.parse(threads.workerData || process.argv[2])
  run(what, event).then((answer) => threads.parentPort ? threads.parentPort.postMessage(answer) : process.stdout.write(answer))
}
