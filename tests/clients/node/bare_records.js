// Puts values in a topic and gets them back with kafkajs, for the programs of registry clients:
// node PROGRAM URL HOST:PORT.
import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { collect } from './contract.js'

const kafka = new kafkajs.Kafka({
  brokers: [process.argv[3]],
  logLevel: kafkajs.logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 8 }
})
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()

export async function put (topic, values) {
  await producer.send({ topic, messages: values.map(value => ({ value })) })
  return values.length
}

export async function get (topic, count) {
  const consumer = kafka.consumer({ groupId: `get-${randomUUID()}`, maxWaitTimeInMs: 250 })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    return await collect(count, async (take, fail) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ message }) => { take(message.value) }
      })
    })
  } finally {
    await consumer.disconnect()
  }
}
