import { randomBytes } from 'node:crypto';
import { Worker as Thread } from 'node:worker_threads';
import type { KeysMap, Queue } from 'bullmq';
import type { Control, DriverChannel } from '../../protocol/channel.js';
import { entryPoint } from '../../protocol/entry.js';
import type { TaskMessage } from '../../protocol/task.js';
import type { RedisQueueSettings } from './bullmq.js';
import { connectRedis, type RedisClient } from './connection.js';
import { openInbox } from './inbox.js';
import type { LeaseThreadData } from './lease-thread.js';
import { Keys, Leases, type QueueKeys, queueKeys } from './leases.js';
import { Liveness } from './liveness.js';
import { ALL, call, type Post, post, within } from './mail.js';

/** Messages added in one transaction: its executor starts with the first batch while the next is on its way. */
const BATCH = 32;
/** Nothing of ours is worth a longer wait: what we leave ends with its lease. */
const CLOSE_MS = 2000;

interface ExecutorQueue {
  readonly own: QueueKeys;
  readonly bull: KeysMap;
}

/** The driver's side of the queue on Redis. */
export class RedisDriver implements DriverChannel {
  readonly #settings: RedisQueueSettings;
  readonly #id: string;
  readonly #keys: Keys;
  readonly #mail: Post;
  readonly #liveness: Liveness;
  /** How ids of this driver's jobs begin: never a number, never the name of one of the queue's own keys, nobody else's. */
  readonly #mine = `m-${randomBytes(6).toString('hex')}-`;
  /** Of every executor that this driver has sent to, those gone too: a message may have come after the last look. */
  readonly #queues = new Map<string, ExecutorQueue>();
  #serial = 0;
  #closed = false;
  #handlers!: Parameters<DriverChannel['open']>[0];
  #client!: RedisClient;
  #leases!: Leases;
  #bull!: typeof import('bullmq');
  /** Stands for all executors' queues: their keys are given with each job. */
  #queue!: Queue;
  #inbox?: { close(): void };
  #thread?: Thread;
  #timer?: NodeJS.Timeout;

  constructor(settings: RedisQueueSettings, id: string) {
    this.#settings = settings;
    this.#id = id;
    this.#keys = new Keys(settings.prefix);
    this.#mail = post(settings.secret, settings.warn);
    this.#liveness = new Liveness(settings.leaseMs);
  }

  async open(handlers: Parameters<DriverChannel['open']>[0]): Promise<void> {
    const { url, cluster, leaseMs, warn } = this.#settings;
    this.#handlers = handlers;
    [this.#client, this.#bull] = await Promise.all([
      connectRedis(url, { cluster, name: `sheaf-${this.#id}`, warn }),
      import('bullmq'),
    ]);
    this.#leases = new Leases(this.#client, this.#keys);
    this.#queue = new this.#bull.Queue('tasks', {
      connection: this.#client as never,
      prefix: this.#keys.tag,
      skipMetasUpdate: true,
      skipVersionCheck: true,
    });
    this.#queue.on('error', () => {});
    await this.#queue.waitUntilReady();
    await this.#leases.renew('driver', this.#id, leaseMs);
    this.#inbox = openInbox(this.#client, this.#keys.inbox('driver', this.#id), (text) => this.#read(text));
    await this.#watch();

    this.#startThread();
    this.#timer = setInterval(() => {
      if (!this.#thread) this.#startThread();
      // The thread does this too; here it makes good for a thread that could not start.
      this.#leases.renew('driver', this.#id, leaseMs).catch(() => {});
      this.#watch().catch(() => {});
    }, leaseMs / 3);
    this.#timer.unref();
  }

  async send(messages: readonly TaskMessage[]): Promise<void> {
    const letters = messages.map((message) => this.#mail.write('task', message.executor, message));
    const batches: Promise<void>[] = [];
    for (let i = 0; i < messages.length; i += BATCH)
      batches.push(this.#add(messages.slice(i, i + BATCH), letters.slice(i, i + BATCH)));
    await Promise.all(batches);
  }

  /** Adds jobs and leases their keys in one transaction. */
  async #add(messages: readonly TaskMessage[], letters: readonly string[]): Promise<void> {
    const backend = this.#queue.getBackend();
    const transaction = (await backend.client).multi();
    const touched = new Set<string>();
    messages.forEach((message, i) => {
      const { own, bull } = this.#queueOf(message.executor);
      const id = `${this.#mine}${(this.#serial++).toString(36)}-${message.id}`;
      const options = { attempts: 1, removeOnComplete: true, removeOnFail: true };
      const job = new this.#bull.Job(this.#queue, 'task', letters[i], options, id);
      backend.addJobToTransaction(transaction, job.asJSON(), id, {}, bull);
      for (const key of own.added) touched.add(key);
      touched.add(own.jobs + id);
    });
    this.#leases.touchWithin(transaction, this.#settings.leaseMs, [...touched]);
    for (const [error] of (await transaction.exec()) ?? []) if (error) throw error;
  }

  async control(executor: string, control: Control): Promise<void> {
    await this.#leases.push('executor', executor, this.#settings.leaseMs, [
      this.#mail.write('control', executor, control),
    ]);
  }

  async waiting(executor: string, ids: readonly string[]): Promise<Set<string>> {
    const jobs = await this.#client.lrange(this.#queueOf(executor).own.wait, 0, -1);
    const mine = jobs.filter((job) => job.startsWith(this.#mine)).map((job) => job.slice(this.#mine.length));
    const there = new Set(mine.map((serialAndId) => serialAndId.slice(serialAndId.indexOf('-') + 1)));
    return new Set(ids.filter((id) => there.has(id)));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#inbox) return this.#client?.disconnect(); // it never got as far as to have anything else
    clearInterval(this.#timer);
    this.#inbox.close();
    const thread = this.#thread;
    if (thread) {
      const ended = new Promise((resolve) => thread.once('exit', resolve));
      thread.postMessage('end');
      await within(CLOSE_MS, ended);
      await thread.terminate();
    }
    const bye = this.#mail.write('bye', ALL, { from: this.#id, reason: 'closed' });
    // What waits is taken back first: whoever hears the goodbye must find nothing more to begin.
    const farewell = async () => {
      await this.#leaveQueues().catch(() => {});
      await Promise.all([
        this.#leases.leave('driver', this.#id),
        this.#leases.tell('executor', this.#settings.leaseMs, bye),
      ]);
    };
    // While Redis is away there is nobody to wait for.
    const patience = this.#client.status === 'ready' ? CLOSE_MS : 0;
    await within(patience, farewell());
    await within(patience, this.#queue.close());
    this.#client.disconnect();
  }

  /**
   * Takes back what waits. Of an executor that has gone nobody else keeps the queue; the roll tells who has, since a
   * goodbye may still be unread.
   */
  async #leaveQueues(): Promise<void> {
    const roll = await this.#leases.roll('executor');
    const there = new Set(roll.filter(({ remainingMs }) => remainingMs > 0).map(({ id }) => id));
    await Promise.all(
      [...this.#queues].map(([executor, { own }]) =>
        there.has(executor) ? this.#leases.withdraw(own, this.#mine) : this.#leases.dropQueue(own),
      ),
    );
  }

  #startThread(): void {
    const { url, cluster, prefix, leaseMs, warn } = this.#settings;
    const workerData: LeaseThreadData = { url, cluster, prefix, driver: this.#id, leaseMs };
    const thread = new Thread(entryPoint('scheduler/queue/lease-thread.js'), { workerData, execArgv: [] });
    thread.on('error', (error) => warn(`the thread that renews the driver's lease ended: ${error.message}`));
    thread.once('exit', () => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    thread.unref();
    this.#thread = thread;
  }

  #queueOf(executor: string): ExecutorQueue {
    let queue = this.#queues.get(executor);
    if (!queue) {
      const bull = new this.#bull.QueueKeys(this.#keys.tag).getKeys(this.#keys.queue(executor));
      queue = { own: queueKeys(this.#keys, executor), bull };
      this.#queues.set(executor, queue);
    }
    return queue;
  }

  #read(text: string): void {
    const letter = this.#mail.read(this.#id, text);
    if (letter?.kind === 'result') call(this.#handlers.result, letter.value);
    if (letter?.kind === 'heartbeat') {
      this.#liveness.heard(letter.value.executor.id, Date.now());
      call(this.#handlers.heartbeat, letter.value);
    }
    if (letter?.kind === 'bye' && this.#liveness.has(letter.value.from))
      this.#lost(letter.value.from, letter.value.reason);
  }

  /** Reads the roll of executors: who is new, and whose lease has ended. */
  async #watch(): Promise<void> {
    const { gone, fresh } = this.#liveness.read(await this.#leases.roll('executor'), Date.now());
    for (const executor of gone) this.#lost(executor, 'its lease ended: it crashed, hung or lost its connection');
    // What it said last may be older than what it holds now; to whom it is news, it is good enough.
    for (const member of fresh) {
      if (member.said) this.#read(member.said);
      else this.#liveness.forget(member.id);
    }
  }

  #lost(executor: string, reason: string): void {
    this.#liveness.forget(executor);
    call(this.#handlers.gone, executor, reason);
  }
}
