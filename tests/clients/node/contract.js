// A program's side of tests/clients/README.md: commands come as JSON lines on standard input, and
// each is answered by one line, a result or Kafka's error code.
import { createInterface } from 'node:readline'

export const TIMEOUT_MS = 20_000

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// Resolves when the driver has sent a line, or has closed the pipe: a member stops then.
export async function toldToStop () {
  await lines.next()
}

export function say (line) {
  const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value)
  process.stdout.write(JSON.stringify(line, plain) + '\n')
}

async function bounded (promise, what) {
  let timer
  const timeout = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

// Runs commands until standard input ends. `codeOf` returns the number of Kafka's error, or nothing
// for an error that is not Kafka's: it ends the program with status 1.
export async function serve (commands, codeOf) {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const request = JSON.parse(next.value)
    try {
      const answer = commands[request.command](request)
      const result = request.command === 'member' ? await answer : await bounded(answer, request.command)
      say({ result: result ?? [] })
    } catch (error) {
      const code = codeOf(error)
      if (!code) {
        console.error(error)
        process.exit(1)
      }
      say({ error_code: code, message: error.message })
    }
  }
  process.exit(0)
}

export const bytes = text => (text === null || text === undefined ? null : Buffer.from(text))
export const text = buffer => (buffer === null || buffer === undefined ? null : buffer.toString())

// Fails a read that waits for more records than there are, and says how many came.
export async function collect (count, start) {
  const records = []
  let finish
  let fail
  const done = new Promise((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  const timer = setTimeout(
    () => fail(new Error(`read ${records.length} records of ${count}`)), TIMEOUT_MS - 2000
  )
  const take = record => {
    if (records.length < count) {
      records.push(record)
      if (records.length === count) finish()
      return true
    }
    return false
  }
  try {
    await start(take, fail)
    await done
    return records
  } finally {
    clearTimeout(timer)
  }
}
