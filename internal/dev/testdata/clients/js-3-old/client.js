'use strict'
const { ApiGatewayManagementApi } = require('@aws-sdk/client-apigatewaymanagementapi')
const { DynamoDB } = require('@aws-sdk/client-dynamodb')
const { Lambda } = require('@aws-sdk/client-lambda')

exports.table = async (what) =>
  (await new DynamoDB({}).getItem({ TableName: what.name, Key: { id: { S: '1' } } })).Item.word.S

exports.invoke = async (what) =>
  Buffer.from((await new Lambda({}).invoke({ FunctionName: what.name, Payload: Buffer.from('{}') })).Payload).toString()

exports.post = (what, id) =>
  new ApiGatewayManagementApi({ endpoint: what.endpoint }).postToConnection({ ConnectionId: id, Data: Buffer.from('hello') })
