import type { TaskQueue } from '../../protocol/channel.js';
import { warnOnStderr } from './mail.js';
import { RedisDriver } from './redis-driver.js';
import { RedisExecutor } from './redis-executor.js';

export interface RedisQueueOptions {
  /** `redis://`, `rediss://` or `redis+unix://`, see `redis-url.ts`. */
  readonly url: string;
  /** The cluster's secret: driver and executors must have the same. */
  readonly secret: string;
  /** Whether the server is a node of a Redis Cluster. Default: it is asked. */
  readonly cluster?: boolean;
  /** First part of all keys, for several installations on one server. Default `sheaf`. */
  readonly prefix?: string;
  /** How long a driver or executor that is not heard of counts as alive; renewed every third of it. Default 15 000 ms. */
  readonly leaseMs?: number;
  /** BullMQ's lock of a running job, renewed every half of it. Default twice the lease. */
  readonly lockMs?: number;
  /** Told about refused letters and lost connections. Default: stderr. */
  readonly warn?: (message: string) => void;
}

export type RedisQueueSettings = Required<Omit<RedisQueueOptions, 'cluster'>> & Pick<RedisQueueOptions, 'cluster'>;

/**
 * The queue on the user's Redis: one BullMQ queue an executor, one list of results a driver, one list of controls an
 * executor, leases for all of it. ioredis and BullMQ are loaded when a channel is opened.
 *
 * One authority retries: the driver. BullMQ makes one attempt, never runs a stalled job again and keeps nothing that is
 * done. When Redis restarts and forgets everything, executors and drivers stand in their rolls again within a third of
 * a lease, and the driver sends again what is neither `waiting` nor held.
 *
 * ```ts
 * const queue = redisQueue({ url: 'redis://:password@queue.example', secret: process.env.SHEAF_SECRET! });
 * const channel = queue.driver('driver-1');
 * await channel.open(handlers);
 * ```
 * `open` throws RedisError when the server cannot be reached or is unfit; it names the address and what to do.
 */
export function redisQueue(options: RedisQueueOptions): TaskQueue {
  const leaseMs = options.leaseMs ?? 15_000;
  const settings: RedisQueueSettings = {
    ...options,
    prefix: options.prefix ?? 'sheaf',
    leaseMs,
    lockMs: options.lockMs ?? 2 * leaseMs,
    warn: options.warn ?? warnOnStderr,
  };
  return { driver: (id) => new RedisDriver(settings, id), executor: () => new RedisExecutor(settings) };
}
