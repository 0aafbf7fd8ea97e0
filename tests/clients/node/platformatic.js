// Drives a broker with @platformatic/kafka: node platformatic.js HOST:PORT, commands on stdin.
import { randomUUID } from 'node:crypto'
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import { bytes, collect, say, serve, text, toldToStop } from './contract.js'

const TOPIC_RESOURCE = 2
const BROKER_RESOURCE = 4
const SET = 0
const DELETE = 1
const DEFAULT_SOURCE = 5
const UNKNOWN_TOPIC_OR_PARTITION = 3
const TIMES = { latest: -1n, earliest: -2n, max_timestamp: -3n }

const common = { bootstrapBrokers: [process.argv[2]], retries: 5, retryDelay: 100, timeout: 10_000 }
const admin = new Admin({ ...common, clientId: 'admin' })

const describe = message => ({
  partition: message.partition,
  offset: message.offset,
  timestamp: message.timestamp,
  key: text(message.key),
  value: text(message.value),
  headers: [...message.headers].map(([key, value]) => [text(key), text(value)])
})

async function produce ({ topic, codec, records }) {
  const producer = new Producer({ ...common, clientId: 'producer', idempotent: true, compression: codec })
  try {
    const results = []
    for (const record of records) {
      const message = {
        topic,
        key: bytes(record.key) ?? undefined,
        value: bytes(record.value) ?? undefined,
        headers: new Map((record.headers ?? []).map(([key, value]) => [bytes(key), bytes(value)]))
      }
      if (record.partition !== undefined) message.partition = record.partition
      if (record.timestamp) message.timestamp = BigInt(record.timestamp)
      const { offsets: [sent] } = await producer.send({ messages: [message] })
      results.push({ partition: sent.partition, offset: sent.offset })
    }
    return results
  } finally {
    await producer.close()
  }
}

function groupConsumer ({ group, session_timeout_ms: timeout = 6000, client_id: clientId = 'consumer' }) {
  return new Consumer({
    ...common,
    clientId,
    groupId: group,
    sessionTimeout: timeout,
    rebalanceTimeout: 10_000,
    heartbeatInterval: timeout / 4,
    maxWaitTime: 250,
    autocommit: false
  })
}

async function consume ({ topic, group, count, ...rest }) {
  const consumer = groupConsumer({ group, ...rest })
  const next = new Map()
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
    const records = await collect(count, (take, fail) => {
      stream.on('error', fail)
      stream.on('data', message => {
        if (take(describe(message))) next.set(message.partition, message.offset + 1n)
      })
    })
    await consumer.commit({
      offsets: [...next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: 0 }))
    })
    await stream.close()
    return records
  } finally {
    await consumer.close(true)
  }
}

async function member ({ topic, group, ...rest }) {
  const consumer = groupConsumer({ group, ...rest })
  consumer.on('consumer:group:join', ({ assignments }) => {
    const partitions = assignments?.find(assignment => assignment.topic === topic)?.partitions ?? []
    say({ event: 'assigned', partitions: [...partitions].sort() })
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' })
  const reading = (async () => {
    for await (const message of stream) {
      // Said before it is committed, so that a kill between the two loses nothing.
      say({ event: 'record', record: describe(message) })
      await message.commit()
    }
  })()
  await Promise.race([toldToStop(), reading])
  await consumer.close(true)
}

// @platformatic/kafka reads in groups only; the group is thrown away.
async function read ({ topic, partitions, count, start }) {
  const at = start.timestamp ?? 'earliest'
  const offsets = start.offset === undefined
    ? await offsetsAt({ topic, partitions, at })
    : partitions.map(partition => ({ partition, offset: BigInt(start.offset) }))
  const ends = await offsetsAt({ topic, partitions, at: 'latest' })
  const consumer = groupConsumer({ group: `read-${randomUUID()}` })
  try {
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'manual',
      offsets: offsets.map(({ partition, offset }) => ({
        topic, partition, offset: offset < 0n ? ends.find(end => end.partition === partition).offset : offset
      }))
    })
    return await collect(count, (take, fail) => {
      stream.on('error', fail)
      stream.on('data', message => partitions.includes(message.partition) && take(describe(message)))
    })
  } finally {
    await consumer.close(true)
  }
}

async function offsetsAt ({ topic, partitions, at }) {
  const timestamp = typeof at === 'number' ? BigInt(at) : TIMES[at]
  const [found] = await admin.listOffsets({
    topics: [{ name: topic, partitions: partitions.map(partitionIndex => ({ partitionIndex, timestamp })) }]
  })
  return found.partitions
    .map(({ partitionIndex, offset, timestamp }) => ({ partition: partitionIndex, offset, timestamp }))
    .sort((one, other) => one.partition - other.partition)
}

const resourceOf = ({ topic, broker }) => broker === undefined
  ? { resourceType: TOPIC_RESOURCE, resourceName: topic }
  : { resourceType: BROKER_RESOURCE, resourceName: broker }

async function describeConfigs (request) {
  const [{ configs }] = await admin.describeConfigs({ resources: [resourceOf(request)] })
  return Object.fromEntries(configs.map(entry => [entry.name, {
    value: entry.value, default: entry.configSource === DEFAULT_SOURCE, sensitive: entry.isSensitive
  }]))
}

async function alterConfigs (request) {
  const changes = Object.entries(request.set ?? {}).map(([name, value]) => (
    { name, value, configOperation: SET }
  ))
  for (const name of request.delete ?? []) changes.push({ name, value: null, configOperation: DELETE })
  await admin.incrementalAlterConfigs({ resources: [{ ...resourceOf(request), configs: changes }] })
}

async function describeGroup ({ group, topic }) {
  const found = (await admin.describeGroups({ groups: [group] })).get(group)
  const members = [...found.members.values()].map(member => ({
    client_id: member.clientId, partitions: member.assignments?.get(topic)?.partitions ?? []
  }))
  return { state: found.state, assignor: found.protocol, members }
}

async function committed ({ group, topic }) {
  const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
  const partitions = found.topics.find(({ name }) => name === topic)?.partitions ?? []
  return partitions
    .filter(({ committedOffset }) => committedOffset >= 0n)
    .map(({ partitionIndex, committedOffset, metadata }) => (
      { partition: partitionIndex, offset: committedOffset, metadata }
    ))
}

await serve({
  produce,
  consume,
  member,
  read,
  offsets: offsetsAt,
  committed,
  create_topic: async ({ topic, partitions, configs = {} }) => {
    const asked = Object.entries(configs).map(([name, value]) => ({ name, value }))
    const [made] = await admin.createTopics({ topics: [topic], partitions, replicas: -1, configs: asked })
    const described = Object.entries(made.configuration).map(([name, value]) => [name, { value }])
    return { topic_id: made.id, partitions: made.partitions, configs: Object.fromEntries(described) }
  },
  describe_topic: async ({ topic }) => {
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
    const found = metadata.topics.get(topic)
    return { topic_id: found.id, partitions: found.partitionsCount }
  },
  list_topics: () => admin.listTopics(),
  delete_topic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  create_partitions: ({ topic, count }) => (
    admin.createPartitions({ topics: [{ name: topic, count, assignments: null }] })
  ),
  describe_configs: describeConfigs,
  alter_configs: alterConfigs,
  describe_cluster: async () => {
    const metadata = await admin.metadata({ topics: [], forceUpdate: true })
    const brokers = [...metadata.brokers].map(([id, { host, port }]) => ({ id, address: `${host}:${port}` }))
    return { cluster_id: metadata.id, controller: metadata.controllerId, brokers }
  },
  delete_records: async ({ topic, partition, before }) => {
    const [{ partitions: [found] }] = await admin.deleteRecords({
      topics: [{ name: topic, partitions: [{ partition, offset: BigInt(before) }] }]
    })
    return { low_watermark: found.lowWatermark }
  },
  list_groups: async () => [...(await admin.listGroups()).values()].map(found => (
    { group: found.id, state: found.state, type: found.groupType }
  )),
  describe_group: describeGroup,
  alter_offsets: ({ group, topic, offsets }) => admin.alterConsumerGroupOffsets({
    groupId: group,
    topics: [{
      name: topic,
      partitionOffsets: offsets.map(({ partition, offset }) => ({ partition, offset: BigInt(offset) }))
    }]
  }),
  delete_offsets: ({ group, topic, partitions }) => admin.deleteConsumerGroupOffsets({
    groupId: group, topics: [{ name: topic, partitionIndexes: partitions }]
  }),
  delete_group: ({ group }) => admin.deleteGroups({ groups: [group] })
}, function codeOf (error) {
  if (error.apiCode > 0) return error.apiCode
  // Metadata's error code is lost on the way.
  if (error.message.startsWith('Unknown topic ')) return UNKNOWN_TOPIC_OR_PARTITION
  for (const inner of [...(error.errors ?? []), error.cause].filter(Boolean)) {
    const code = codeOf(inner)
    if (code) return code
  }
})
