import { parentPort, workerData } from 'node:worker_threads';
import { connectRedis } from './connection.js';
import { Keys, Leases } from './leases.js';

/** What the thread is started with. */
export interface LeaseThreadData {
  readonly url: string;
  readonly cluster?: boolean;
  readonly prefix: string;
  readonly driver: string;
  readonly leaseMs: number;
}

/**
 * A driver's lease is renewed from a thread of its own: a user's long synchronous loop on the main thread must not look
 * like the driver's death. It ends with the first message from the main thread.
 */
const { url, cluster, prefix, driver, leaseMs } = workerData as LeaseThreadData;
const client = await connectRedis(url, { cluster, name: `sheaf-lease-${driver}` });
const keys = new Keys(prefix);
const leases = new Leases(client, keys);

const renew = () => {
  // A failure here is the loss of the connection, which comes back by itself.
  leases.renew('driver', driver, leaseMs).catch(() => {});
  leases.touch(leaseMs, [keys.inbox('driver', driver)]).catch(() => {});
};
renew();
client.on('ready', renew);
const timer = setInterval(renew, leaseMs / 3);
parentPort!.once('message', () => {
  clearInterval(timer);
  client.disconnect();
});
