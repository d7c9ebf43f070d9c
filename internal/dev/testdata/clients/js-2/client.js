'use strict'
const AWS = require('aws-sdk')

exports.table = async (what) =>
  (await new AWS.DynamoDB().getItem({ TableName: what.name, Key: { id: { S: '1' } } }).promise()).Item.word.S

exports.invoke = async (what) =>
  (await new AWS.Lambda().invoke({ FunctionName: what.name, Payload: '{}' }).promise()).Payload.toString()

exports.post = (what, id) =>
  new AWS.ApiGatewayManagementApi({ endpoint: what.endpoint }).postToConnection({ ConnectionId: id, Data: 'hello' }).promise()
