// Drives a broker with kafkajs: node kafkajs.js HOST:PORT, commands on standard input.
import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { bytes, collect, say, serve, text, toldToStop } from './contract.js'

const CODECS = { none: kafkajs.CompressionTypes.None, gzip: kafkajs.CompressionTypes.GZIP }
const TOPIC_CONFIG_SOURCE = 1
const TOPIC_ALREADY_EXISTS = 36

const kafka = new kafkajs.Kafka({
  brokers: [process.argv[2]],
  logLevel: kafkajs.logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 8 }
})
const admin = kafka.admin()

const describe = (partition, message) => ({
  partition,
  offset: Number(message.offset),
  timestamp: Number(message.timestamp),
  key: text(message.key),
  value: text(message.value),
  headers: Object.entries(message.headers).map(([key, value]) => [key, text(value)])
})

async function transact ({ topic, group, records }) {
  const producer = kafka.producer({
    transactionalId: group,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner
  })
  await producer.connect()
  try {
    for (const [number, { value }] of records.entries()) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value, partition: 0 }] })
      const partitions = [{ partition: 0, offset: String(number + 1) }]
      await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions }] })
      await (value.startsWith('aborted') ? transaction.abort() : transaction.commit())
    }
    return {}
  } finally {
    await producer.disconnect()
  }
}

async function produce ({ topic, codec, records }) {
  // Once a record names its partition, kafkajs leaves the others to its own partitioner.
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner
  })
  await producer.connect()
  try {
    const results = []
    for (const record of records) {
      const message = {
        key: bytes(record.key),
        value: bytes(record.value),
        headers: Object.fromEntries((record.headers ?? []).map(([key, value]) => [key, value]))
      }
      if (record.partition !== undefined) message.partition = record.partition
      if (record.timestamp) message.timestamp = String(record.timestamp)
      const [sent] = await producer.send({ topic, compression: CODECS[codec], messages: [message] })
      results.push({ partition: sent.partition, offset: Number(sent.baseOffset) })
    }
    return results
  } finally {
    await producer.disconnect()
  }
}

function groupConsumer ({ group, session_timeout_ms: timeout = 6000, client_id: clientId }) {
  const client = clientId === undefined
    ? kafka
    : new kafkajs.Kafka({ brokers: [process.argv[2]], clientId, logLevel: kafkajs.logLevel.NOTHING })
  return client.consumer({
    groupId: group,
    sessionTimeout: timeout,
    heartbeatInterval: timeout / 4,
    rebalanceTimeout: 10_000,
    maxWaitTimeInMs: 250
  })
}

async function consume ({ topic, group, count, metadata = '', ...rest }) {
  const consumer = groupConsumer({ group, ...rest })
  const next = new Map()
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    return await collect(count, async (take, fail) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (take(describe(partition, message))) next.set(partition, Number(message.offset) + 1)
        }
      })
    }).then(async records => {
      await consumer.commitOffsets([...next].map(([partition, offset]) => (
        { topic, partition, offset: String(offset), metadata }
      )))
      return records
    })
  } finally {
    await consumer.disconnect()
  }
}

async function member ({ topic, group, ...rest }) {
  const consumer = groupConsumer({ group, ...rest })
  await consumer.connect()
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    say({ event: 'assigned', partitions: (payload.memberAssignment[topic] ?? []).sort() })
  })
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      // Said before it is committed, so that a kill between the two loses nothing.
      say({ event: 'record', record: describe(partition, message) })
      await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
    }
  })
  await toldToStop()
  await consumer.disconnect()
}

async function startOffsets ({ topic, partitions, start }) {
  if (start.offset !== undefined) {
    return partitions.map(partition => ({ partition, offset: String(start.offset) }))
  }
  const found = start === 'earliest'
    ? (await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => ({ partition, offset: low }))
    : await admin.fetchTopicOffsetsByTimestamp(topic, start.timestamp)
  return found.filter(({ partition }) => partitions.includes(partition))
}

// kafkajs reads in groups only; the group is thrown away.
async function read ({ topic, partitions, count, start }) {
  const offsets = await startOffsets({ topic, partitions, start })
  const consumer = groupConsumer({ group: `read-${randomUUID()}` })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    return await collect(count, async (take, fail) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
      const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
      const wanted = new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]))
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (Number(message.offset) >= (wanted.get(partition) ?? Infinity)) take(describe(partition, message))
        }
      })
      await joined
      for (const { partition, offset } of offsets) consumer.seek({ topic, partition, offset })
    })
  } finally {
    await consumer.disconnect()
  }
}

async function topicMetadata (topic) {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return { partitions: topics[0].partitions.length }
}

const resourceOf = ({ topic, broker }) => broker === undefined
  ? { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }
  : { type: kafkajs.ConfigResourceTypes.BROKER, name: broker }

async function entriesOf (request) {
  const found = await admin.describeConfigs({ includeSynonyms: false, resources: [resourceOf(request)] })
  return found.resources[0].configEntries
}

async function describeConfigs (request) {
  return Object.fromEntries((await entriesOf(request)).map(entry => [entry.configName, {
    value: entry.configValue, default: entry.isDefault || entry.configSource === 5, sensitive: entry.isSensitive
  }]))
}

// kafkajs has AlterConfigs only, which replaces all: read, change and write back, as its users do.
async function alterConfigs (request) {
  const kept = (await entriesOf(request)).filter(entry => entry.configSource === TOPIC_CONFIG_SOURCE)
  const configs = Object.fromEntries(kept.map(entry => [entry.configName, entry.configValue]))
  for (const name of request.delete ?? []) delete configs[name]
  Object.assign(configs, request.set ?? {})
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{
      ...resourceOf(request),
      configEntries: Object.entries(configs).map(([name, value]) => ({ name, value }))
    }]
  })
}

async function offsets ({ topic, partitions, at }) {
  let rows
  if (typeof at === 'number') {
    rows = await admin.fetchTopicOffsetsByTimestamp(topic, at)
  } else {
    rows = (await admin.fetchTopicOffsets(topic)).map(({ partition, high, low }) => (
      { partition, offset: at === 'earliest' ? low : high }
    ))
  }
  return rows
    .map(({ partition, offset }) => ({ partition, offset: Number(offset) }))
    .filter(({ partition }) => partitions.includes(partition))
    .sort((one, other) => one.partition - other.partition)
}

async function describeGroup ({ group, topic }) {
  const { groups: [found] } = await admin.describeGroups([group])
  const members = found.members.map(member => {
    const assigned = kafkajs.AssignerProtocol.MemberAssignment.decode(member.memberAssignment)
    return { client_id: member.clientId, partitions: assigned?.assignment[topic] ?? [] }
  })
  return { state: found.state, assignor: found.protocol, members }
}

async function committed ({ group, topic }) {
  const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  return found.partitions
    .filter(({ offset }) => offset !== '-1')
    .map(({ partition, offset, metadata }) => ({ partition, offset: Number(offset), metadata }))
}

await admin.connect()
await serve({
  produce,
  transact,
  consume,
  member,
  read,
  offsets,
  committed,
  create_topic: async ({ topic, partitions, configs = {} }) => {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const created = await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }]
    })
    if (!created) throw Object.assign(new Error('the topic exists'), { code: TOPIC_ALREADY_EXISTS })
    return {}
  },
  describe_topic: ({ topic }) => topicMetadata(topic),
  list_topics: () => admin.listTopics(),
  delete_topic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  create_partitions: async ({ topic, count }) => {
    await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  },
  describe_configs: describeConfigs,
  alter_configs: alterConfigs,
  describe_cluster: async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster()
    return {
      cluster_id: clusterId,
      controller,
      brokers: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, address: `${host}:${port}` }))
    }
  },
  delete_records: async ({ topic, partition, before }) => {
    // Otherwise kafkajs does not know the topic's leaders yet and gives up.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] })
    return {}
  },
  list_groups: async () => (await admin.listGroups()).groups.map(({ groupId }) => ({ group: groupId })),
  describe_group: describeGroup,
  alter_offsets: async ({ group, topic, offsets: rows }) => {
    await admin.setOffsets({
      groupId: group,
      topic,
      partitions: rows.map(({ partition, offset }) => ({ partition, offset: String(offset) }))
    })
  },
  delete_group: ({ group }) => admin.deleteGroups([group])
}, function codeOf (error) {
  if (error.code > 0) return error.code
  // Errors of several topics, groups or partitions carry those of each inside.
  const rows = [...(error.errors ?? []), ...(error.groups ?? []), ...(error.partitions ?? [])]
  for (const inner of [...rows.map(row => row.error ?? row), error.cause].filter(Boolean)) {
    const code = codeOf(inner)
    if (code) return code
  }
})
