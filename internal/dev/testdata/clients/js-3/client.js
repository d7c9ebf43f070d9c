'use strict'
const { createHash, createHmac } = require('node:crypto')
const { ApiGatewayManagementApi } = require('@aws-sdk/client-apigatewaymanagementapi')
const { DynamoDB } = require('@aws-sdk/client-dynamodb')
const { Lambda } = require('@aws-sdk/client-lambda')
const { NodeHttp2Handler } = require('@smithy/node-http-handler')

const options = (what) => what.client === 'http2' ? { requestHandler: new NodeHttp2Handler() } : {}
const region = process.env.AWS_REGION

exports.table = async (what) => {
  if (what.client === 'fetch') {
    const answer = await signed('dynamodb', `https://dynamodb.${region}.amazonaws.com/`, JSON.stringify({ TableName: what.name, Key: { id: { S: '1' } } }),
      { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'DynamoDB_20120810.GetItem' })
    return JSON.parse(answer).Item.word.S
  }
  return (await new DynamoDB(options(what)).getItem({ TableName: what.name, Key: { id: { S: '1' } } })).Item.word.S
}

exports.invoke = async (what) => {
  if (what.client === 'fetch') return signed('lambda', `https://lambda.${region}.amazonaws.com/2015-03-31/functions/${what.name}/invocations`, '{}')
  return Buffer.from((await new Lambda(options(what)).invoke({ FunctionName: what.name, Payload: Buffer.from('{}') })).Payload).toString()
}

exports.post = (what, id) => {
  if (what.client === 'fetch') return signed('execute-api', `${what.endpoint}/@connections/${encodeURIComponent(id)}`, 'hello')
  return new ApiGatewayManagementApi({ endpoint: what.endpoint, ...options(what) }).postToConnection({ ConnectionId: id, Data: Buffer.from('hello') })
}

// signed posts with fetch and a signature of version 4.
async function signed (service, address, body, more = {}) {
  const url = new URL(address)
  const hash = (text) => createHash('sha256').update(text).digest('hex')
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest()
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = [time.slice(0, 8), region, service, 'aws4_request']
  const headers = { host: url.host, 'x-amz-date': time, ...more }
  if (process.env.AWS_SESSION_TOKEN) headers['x-amz-security-token'] = process.env.AWS_SESSION_TOKEN
  const names = Object.keys(headers).sort()
  const path = url.pathname.split('/').map(encodeURIComponent).join('/')
  const canonical = ['POST', path, '', ...names.map((n) => n + ':' + headers[n]), '', names.join(';'), hash(body)].join('\n')
  const key = scope.reduce(hmac, 'AWS4' + process.env.AWS_SECRET_ACCESS_KEY)
  const signature = createHmac('sha256', key).update(['AWS4-HMAC-SHA256', time, scope.join('/'), hash(canonical)].join('\n')).digest('hex')
  delete headers.host
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${process.env.AWS_ACCESS_KEY_ID}/${scope.join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  const answer = await fetch(url, { method: 'POST', body, headers })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${text}`)
  return text
}
