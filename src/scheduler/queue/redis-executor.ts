import type { Job, Worker } from 'bullmq';
import type { ExecutorChannel, ExecutorInfo, Heartbeat } from '../../protocol/channel.js';
import type { ResultMessage } from '../../protocol/task.js';
import { driverOf } from '../../protocol/template.js';
import type { RedisQueueSettings } from './bullmq.js';
import { connectRedis, type RedisClient } from './connection.js';
import { openInbox } from './inbox.js';
import { Keys, Leases, type QueueKeys, queueKeys } from './leases.js';
import { Liveness } from './liveness.js';
import { ALL, call, type Post, post, within } from './mail.js';

/** Nothing of ours is worth a longer wait: what we leave ends with its lease. */
const CLOSE_MS = 2000;

/** Drivers that have gone, remembered: of older ones no message waits any more. */
const GONE_REMEMBERED = 256;

/** The executor's side of the queue on Redis: a BullMQ worker with as many jobs at a time as there are seats. */
export class RedisExecutor implements ExecutorChannel {
  readonly #settings: RedisQueueSettings;
  readonly #keys: Keys;
  readonly #mail: Post;
  readonly #drivers: Liveness;
  /** Drivers whose messages are of no use any more, should some still wait. */
  readonly #gone = new Set<string>();
  #id = '';
  #said = '';
  #closed = false;
  #handlers!: Parameters<ExecutorChannel['open']>[2];
  #client!: RedisClient;
  #leases!: Leases;
  #queue!: QueueKeys;
  #worker?: Worker<string>;
  #inbox?: { close(): void };
  #timer?: NodeJS.Timeout;

  constructor(settings: RedisQueueSettings) {
    this.#settings = settings;
    this.#keys = new Keys(settings.prefix);
    this.#mail = post(settings.secret, settings.warn);
    this.#drivers = new Liveness(settings.leaseMs);
  }

  async open(info: ExecutorInfo, seats: number, handlers: Parameters<ExecutorChannel['open']>[2]): Promise<void> {
    const { url, cluster, leaseMs, lockMs, warn } = this.#settings;
    this.#id = info.id;
    this.#handlers = handlers;
    this.#queue = queueKeys(this.#keys, info.id);
    const [client, { Worker }] = await Promise.all([
      connectRedis(url, { cluster, name: `sheaf-${info.id}`, warn }),
      import('bullmq'),
    ]);
    this.#client = client;
    this.#leases = new Leases(client, this.#keys);
    // An earlier executor of this name may have been killed.
    await this.#leases.dropQueue(this.#queue);
    await this.#keep();
    this.#inbox = openInbox(client, this.#keys.inbox('executor', info.id), (text) => this.#read(text));
    this.#worker = new Worker<string>(this.#keys.queue(info.id), (job) => this.#run(job), {
      connection: client as never,
      prefix: this.#keys.tag,
      concurrency: seats,
      lockDuration: lockMs,
      maxStalledCount: 0,
      skipStalledCheck: true,
      skipVersionCheck: true,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    // What goes wrong between BullMQ and Redis is a lost connection, or a job that Redis forgot; the driver makes good both.
    this.#worker.on('error', () => {});
    await this.#worker.waitUntilReady();
    const keep = () => {
      if (!this.#closed) this.#keep().catch(() => {});
    };
    client.on('ready', keep);
    this.#timer = setInterval(keep, leaseMs / 3);
    this.#timer.unref();
  }

  async heartbeat(heartbeat: Heartbeat): Promise<void> {
    const { leaseMs } = this.#settings;
    this.#said = this.#mail.write('heartbeat', ALL, heartbeat);
    await Promise.all([
      this.#leases.renew('executor', this.#id, leaseMs, this.#said),
      this.#leases.tell('driver', leaseMs, this.#said),
    ]);
  }

  async report(result: ResultMessage): Promise<void> {
    if (this.#gone.has(result.driver)) return;
    const letter = this.#mail.write('result', result.driver, result);
    await this.#leases.push('driver', result.driver, this.#settings.leaseMs, [letter]);
  }

  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#worker) return this.#client?.disconnect(); // it never got as far as to have anything else
    clearInterval(this.#timer);
    const bye = this.#mail.write('bye', ALL, { from: this.#id, reason });
    // While Redis is away there is nobody to wait for.
    const patience = this.#client.status === 'ready' ? CLOSE_MS : 0;
    // Out of the roll first: whoever hears the goodbye must not find us there.
    const leave = () => this.#leases.leave('executor', this.#id);
    await within(patience, Promise.all([leave(), this.#leases.tell('driver', this.#settings.leaseMs, bye)]));
    await within(patience, this.#worker.close(true));
    this.#inbox!.close();
    await within(patience, Promise.all([this.#leases.dropQueue(this.#queue), leave()]));
    this.#client.disconnect();
  }

  async #run(job: Job<string>): Promise<void> {
    if (this.#closed) return;
    this.#leases.touch(this.#settings.leaseMs, this.#queue.taken).catch(() => {});
    const letter = this.#mail.read(this.#id, job.data);
    if (letter?.kind !== 'task') return;
    const driver = driverOf(letter.value);
    if (this.#gone.has(driver)) return;
    this.#drivers.heard(driver, Date.now());
    try {
      await this.#handlers.message(letter.value);
    } catch (error) {
      this.#settings.warn(`message ${letter.value.id} was not reported: ${(error as Error)?.message ?? error}`);
    }
  }

  #read(text: string): void {
    const letter = this.#mail.read(this.#id, text);
    if (letter?.kind === 'control') call(this.#handlers.control, letter.value);
    if (letter?.kind === 'bye') this.#lost(letter.value.from);
  }

  /** Renews the lease and all that is leased with it; sees which drivers live. */
  async #keep(): Promise<void> {
    const { leaseMs } = this.#settings;
    const [roll] = await Promise.all([
      this.#leases.roll('driver'),
      this.#leases.renew('executor', this.#id, leaseMs, this.#said),
      this.#leases.keepQueue(this.#queue, leaseMs),
      this.#leases.touch(leaseMs, [this.#keys.inbox('executor', this.#id)]),
    ]);
    const { gone, fresh } = this.#drivers.read(roll, Date.now());
    for (const driver of gone) this.#lost(driver);
    for (const { id } of fresh) this.#gone.delete(id);
  }

  #lost(driver: string): void {
    if (this.#gone.has(driver)) return;
    this.#drivers.forget(driver);
    this.#gone.add(driver);
    if (this.#gone.size > GONE_REMEMBERED) this.#gone.delete(this.#gone.values().next().value!);
    call(this.#handlers.driverGone, driver);
  }
}
