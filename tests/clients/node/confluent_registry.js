// Drives a schema registry with Confluent's client for JavaScript, records with kafkajs.
import {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  SchemaRegistryClient,
  SerdeType
} from '@confluentinc/schemaregistry'
import { get, put } from './bare_records.js'
import { serve } from './contract.js'

const SERIALIZERS = { AVRO: AvroSerializer, JSON: JsonSerializer }
const DESERIALIZERS = { AVRO: AvroDeserializer, JSON: JsonDeserializer }

const newClient = () => new SchemaRegistryClient({ baseURLs: [process.argv[2]], maxRetries: 0 })

await serve({
  register: async ({ subject, type, schema, references }) => {
    const id = await newClient().register(subject, { schemaType: type, schema, references }, false)
    return { id }
  },
  write: async ({ topic, type, values }) => {
    const settings = { autoRegisterSchemas: false, useLatestVersion: true, validate: true }
    const serializer = new SERIALIZERS[type](newClient(), SerdeType.VALUE, settings)
    const framed = []
    for (const value of values) framed.push(await serializer.serialize(topic, value))
    return await put(topic, framed)
  },
  // With a schema to read by, which is the latest one: this client reads by what it was written
  // with, or by the latest.
  read: async ({ topic, type, schema, count }) => {
    const settings = { useLatestVersion: schema !== undefined, validate: true }
    const deserializer = new DESERIALIZERS[type](newClient(), SerdeType.VALUE, settings)
    const values = []
    for (const value of await get(topic, count)) values.push(await deserializer.deserialize(topic, value))
    return values
  }
}, error => error.errorCode)
