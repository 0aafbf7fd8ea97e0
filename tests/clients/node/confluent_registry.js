// Drives a schema registry with Confluent's client for JavaScript, records with kafkajs.
import { createFileRegistry, createMutableRegistry, fromBinary, fromJson, toJson } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  ProtobufDeserializer,
  ProtobufSerializer,
  SchemaRegistryClient,
  SerdeType
} from '@confluentinc/schemaregistry'
import { get, put } from './bare_records.js'
import { serve } from './contract.js'

const SERIALIZERS = { AVRO: AvroSerializer, JSON: JsonSerializer, PROTOBUF: ProtobufSerializer }
const DESERIALIZERS = { AVRO: AvroDeserializer, JSON: JsonDeserializer, PROTOBUF: ProtobufDeserializer }

const newClient = () => new SchemaRegistryClient({ baseURLs: [process.argv[2]], maxRetries: 0 })

// The first message of the latest file, as generated code would have it.
async function latestMessage (topic) {
  const { schema } = await newClient().getLatestSchemaMetadata(`${topic}-value`, 'serialized')
  const file = fromBinary(FileDescriptorProtoSchema, Buffer.from(schema, 'base64'))
  return createFileRegistry(file, () => undefined).getFile(file.name).messages[0]
}

await serve({
  register: async ({ subject, type, schema, references }) => {
    const id = await newClient().register(subject, { schemaType: type, schema, references }, false)
    return { id }
  },
  write: async ({ topic, type, values }) => {
    const settings = { autoRegisterSchemas: false, useLatestVersion: true, validate: true }
    const message = type === 'PROTOBUF' ? await latestMessage(topic) : undefined
    if (message) settings.registry = createMutableRegistry(message)
    const serializer = new SERIALIZERS[type](newClient(), SerdeType.VALUE, settings)
    const framed = []
    for (const value of values) {
      framed.push(await serializer.serialize(topic, message ? fromJson(message, value) : value))
    }
    return await put(topic, framed)
  },
  // With a schema to read by, which is the latest one: this client reads by what it was written
  // with, or by the latest.
  read: async ({ topic, type, schema, count }) => {
    const settings = { useLatestVersion: schema !== undefined, validate: true }
    const deserializer = new DESERIALIZERS[type](newClient(), SerdeType.VALUE, settings)
    const values = []
    for (const framed of await get(topic, count)) {
      const value = await deserializer.deserialize(topic, framed)
      values.push(
        type === 'PROTOBUF' ? toJson(deserializer.fileRegistry.getMessage(value.$typeName), value) : value
      )
    }
    return values
  }
}, error => error.errorCode)
