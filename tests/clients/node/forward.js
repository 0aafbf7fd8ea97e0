// A service that passes records along with kafkajs: node forward.js HOST:PORT GROUP READS WRITES
// It says "ready" once it has joined its group, and ends when it is killed.
import kafkajs from 'kafkajs'

const [brokers, groupId, reads, writes] = process.argv.slice(2)
const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
const consumer = kafka.consumer({ groupId })

// What a service would pass along that takes part in tracing, or that says its cause.
const headersOf = ({ traceparent, ce_id: id }) => ({
  ...(traceparent && { traceparent }),
  ...(id && { ce_id: `${id}-${groupId}`, ce_causationid: id })
})

await producer.connect()
await consumer.connect()
await consumer.subscribe({ topics: [reads], fromBeginning: true })
consumer.on(consumer.events.GROUP_JOIN, () => console.log('ready'))
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ topic, partition, message }) => {
    const { key, value, headers } = message
    await producer.send({ topic: writes, messages: [{ key, value, headers: headersOf(headers) }] })
    const offset = String(BigInt(message.offset) + 1n)
    await consumer.commitOffsets([{ topic, partition, offset }])
  }
})
