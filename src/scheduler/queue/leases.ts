import type { RedisClient } from './connection.js';

/**
 * Everything that Sheaf keeps in Redis is leased: each key has a time to live that its owner renews, so that a keyspace
 * is empty again some time after everybody was killed, with nobody left to clean it.
 *
 * Drivers and executors stand in a roll each, a sorted set of id by the end of the lease, in the server's time (so
 * clocks of hosts need not agree). The scripts are atomic: nothing is written without its time to live, with one
 * exception that BullMQ's own scripts make, see `touch`.
 */
export type Role = 'driver' | 'executor';

/** Names of all keys. The hash tag puts them on one node of a Redis Cluster. */
export class Keys {
  constructor(prefix: string) {
    this.tag = `{${prefix}}`;
  }
  readonly tag: string;
  roll = (role: Role) => `${this.tag}:${role}s`;
  /** The latest heartbeat of each executor, for drivers that come later. */
  said = (role: Role) => `${this.tag}:${role}s:said`;
  inboxes = (role: Role) => `${this.tag}:${role}:`;
  inbox = (role: Role, id: string) => `${this.inboxes(role)}${id}:inbox`;
  /** Name of an executor's BullMQ queue; its prefix is the tag. */
  queue = (executor: string) => `tasks-${encodeURIComponent(executor)}`;
}

export interface Member {
  readonly id: string;
  /** Milliseconds until the lease ends; 0 or less: it has ended. */
  readonly remainingMs: number;
  readonly said: string;
}

/** Extends the life of a key, never shortens it: others may lease it for longer. */
const LIFE = `
local function live(key, ttl)
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ttl) end
end
`;
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const SCRIPTS = {
  /** KEYS roll, said; ARGV id, ttl, said. A roll outlives a lease, so that an ended one can be told from lost data. */
  sheafRenew: `${LIFE}${NOW}
    local ttl = tonumber(ARGV[2])
    redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
    if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) end
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - 10 * ttl)) do
      redis.call('ZREM', KEYS[1], id)
      redis.call('HDEL', KEYS[2], id)
    end
    live(KEYS[1], 2 * ttl)
    live(KEYS[2], 2 * ttl)`,
  /** KEYS roll, said, others; ARGV id. */
  sheafLeave: `
    redis.call('ZREM', KEYS[1], ARGV[1])
    redis.call('HDEL', KEYS[2], ARGV[1])
    for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end`,
  /** KEYS roll, said. */
  sheafRoll: `${NOW}
    local members = {}
    local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
      members[#members + 1] = all[i]
      members[#members + 1] = math.floor(tonumber(all[i + 1]) - now)
      members[#members + 1] = redis.call('HGET', KEYS[2], all[i]) or ''
    end
    return members`,
  /** KEYS inbox; ARGV ttl, texts. */
  sheafPush: `${LIFE}
    for i = 2, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
    live(KEYS[1], tonumber(ARGV[1]))`,
  /** KEYS roll; ARGV ttl, text, prefix of inboxes. To everybody whose lease has not ended. */
  sheafTell: `${LIFE}${NOW}
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
      local inbox = ARGV[3] .. id .. ':inbox'
      redis.call('RPUSH', inbox, ARGV[2])
      live(inbox, tonumber(ARGV[1]))
    end`,
  /** KEYS any; ARGV ttl. */
  sheafTouch: `${LIFE}
    for _, key in ipairs(KEYS) do live(key, tonumber(ARGV[1])) end`,
  /** KEYS meta, wait, active, others of a queue; ARGV ttl, prefix of its jobs. The event stream is kept short: nobody reads it. */
  sheafKeep: `${LIFE}
    local ttl = tonumber(ARGV[1])
    redis.call('HSET', KEYS[1], 'opts.maxLenEvents', 1)
    for _, key in ipairs(KEYS) do live(key, ttl) end
    for i = 2, 3 do
      for _, id in ipairs(redis.call('LRANGE', KEYS[i], 0, -1)) do live(ARGV[2] .. id, ttl) end
    end`,
  /** KEYS meta, wait, active, others of a queue; ARGV prefix of its jobs. */
  sheafDrop: `
    for i = 2, 3 do
      for _, id in ipairs(redis.call('LRANGE', KEYS[i], 0, -1)) do
        redis.call('UNLINK', ARGV[1] .. id, ARGV[1] .. id .. ':lock')
      end
    end
    for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end`,
  /** KEYS wait; ARGV prefix of its jobs, how the ids of a driver's jobs begin. Jobs that were taken stay. */
  sheafWithdraw: `
    for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
      if string.sub(id, 1, #ARGV[2]) == ARGV[2] then
        redis.call('LREM', KEYS[1], 1, id)
        redis.call('UNLINK', ARGV[1] .. id)
      end
    end`,
} as const;

type Script = keyof typeof SCRIPTS;
type Run = (keyCount: number, ...args: (string | number)[]) => Promise<unknown>;

/** The scripts, on one connection. */
export class Leases {
  readonly #client: RedisClient & Record<Script, Run>;
  readonly #keys: Keys;

  constructor(client: RedisClient, keys: Keys) {
    for (const [name, lua] of Object.entries(SCRIPTS)) if (!(name in client)) client.defineCommand(name, { lua });
    this.#client = client as never;
    this.#keys = keys;
  }

  /** Takes or renews a lease. `said` replaces what the member last said, unless empty. */
  async renew(role: Role, id: string, ttlMs: number, said = ''): Promise<void> {
    await this.#client.sheafRenew(2, this.#keys.roll(role), this.#keys.said(role), id, ttlMs, said);
  }

  /** Gives up a lease and removes the member's inbox. */
  async leave(role: Role, id: string): Promise<void> {
    await this.#client.sheafLeave(3, this.#keys.roll(role), this.#keys.said(role), this.#keys.inbox(role, id), id);
  }

  async roll(role: Role): Promise<Member[]> {
    const flat = (await this.#client.sheafRoll(2, this.#keys.roll(role), this.#keys.said(role))) as (string | number)[];
    return Array.from({ length: flat.length / 3 }, (_, i) => ({
      id: String(flat[3 * i]),
      remainingMs: Number(flat[3 * i + 1]),
      said: String(flat[3 * i + 2]),
    }));
  }

  async push(role: Role, id: string, ttlMs: number, texts: readonly string[]): Promise<void> {
    await this.#client.sheafPush(1, this.#keys.inbox(role, id), ttlMs, ...texts);
  }

  async tell(role: Role, ttlMs: number, text: string): Promise<void> {
    await this.#client.sheafTell(1, this.#keys.roll(role), ttlMs, text, this.#keys.inboxes(role));
  }

  /**
   * Leases keys that another program's script has just made. Between the two a `kill -9` of everybody leaves a key
   * without a time to live; it takes less than a millisecond, and only an executor that takes a message does it.
   */
  async touch(ttlMs: number, keys: readonly string[]): Promise<void> {
    await this.#client.sheafTouch(keys.length, ...keys, ttlMs);
  }

  /** The same as part of a transaction on this connection: then nothing comes between. */
  touchWithin(transaction: object, ttlMs: number, keys: readonly string[]): void {
    (transaction as Record<'sheafTouch', Run>).sheafTouch(keys.length, ...keys, ttlMs);
  }

  /** Renews everything of an executor's queue. */
  async keepQueue(queue: QueueKeys, ttlMs: number): Promise<void> {
    await this.#client.sheafKeep(queue.all.length, ...queue.all, ttlMs, queue.jobs);
  }

  async dropQueue(queue: QueueKeys): Promise<void> {
    await this.#client.sheafDrop(queue.all.length, ...queue.all, queue.jobs);
  }

  /** Removes the jobs that have not been taken and whose ids begin so. */
  async withdraw(queue: QueueKeys, begin: string): Promise<void> {
    await this.#client.sheafWithdraw(1, queue.wait, queue.jobs, begin);
  }
}

/** The keys of one BullMQ queue that our way of using it makes. */
export interface QueueKeys {
  readonly wait: string;
  /** Prefix of its jobs. */
  readonly jobs: string;
  /** What adding a job may make. */
  readonly added: readonly string[];
  /** What taking a job may make. */
  readonly taken: readonly string[];
  /** `meta`, `wait` and `active` first. */
  readonly all: readonly string[];
}

export function queueKeys(keys: Keys, executor: string): QueueKeys {
  const key = (name: string) => `${keys.tag}:${keys.queue(executor)}:${name}`;
  const [meta, wait, active, id, events, marker] = ['meta', 'wait', 'active', 'id', 'events', 'marker'].map(key);
  const unused = ['paused', 'delayed', 'prioritized', 'pc', 'stalled', 'completed', 'failed', 'limiter'].map(key);
  return {
    wait: wait!,
    jobs: key(''),
    added: [meta!, wait!, id!, events!, marker!],
    taken: [active!, marker!],
    all: [meta!, wait!, active!, id!, events!, marker!, ...unused],
  };
}
