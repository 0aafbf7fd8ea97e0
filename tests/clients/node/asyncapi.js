// Reads an AsyncAPI document from standard input and says what AsyncAPI's own parser, which holds it
// to the official JSON Schema, finds in it.
import { readFileSync } from 'node:fs'
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser'
import { Parser } from '@asyncapi/parser'
import { ProtoBuffSchemaParser } from '@asyncapi/protobuf-schema-parser'

const ERROR = 0

const parser = new Parser()
parser.registerSchemaParser(AvroSchemaParser())
parser.registerSchemaParser(ProtoBuffSchemaParser())
const { document, diagnostics } = await parser.parse(readFileSync(0, 'utf8'))
const operations = document?.operations().all() ?? []
console.log(JSON.stringify({
  errors: diagnostics.filter(each => each.severity === ERROR).map(each => each.message),
  channels: (document?.channels().all() ?? []).map(each => each.address()),
  messages: (document?.messages().all() ?? []).map(each => each.name()),
  operations: operations.map(each => [each.action(), each.channels().all()[0].address()])
}))
