// Drives a schema registry with kafkajs' own client for it, records with kafkajs.
import registryClient from '@kafkajs/confluent-schema-registry'
import { get, put } from './bare_records.js'
import { serve } from './contract.js'

const { SchemaRegistry, SchemaType } = registryClient
const newClient = () => new SchemaRegistry({ host: process.argv[2], retry: { retries: 0 } })

await serve({
  register: async ({ subject, type, schema, references }) => {
    const { id } = await newClient().register({ type: SchemaType[type], schema, references }, { subject })
    return { id }
  },
  write: async ({ topic, values }) => {
    const client = newClient()
    const id = await client.getLatestSchemaId(`${topic}-value`)
    const framed = []
    for (const value of values) framed.push(await client.encode(id, value))
    return await put(topic, framed)
  },
  read: async ({ topic, type, schema, count }) => {
    const client = newClient()
    const options = type === 'AVRO' && schema ? { AVRO: { readerSchema: schema } } : undefined
    return await Promise.all((await get(topic, count)).map(value => client.decode(value, options)))
  }
}, error => error.status)
