import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { parseRedisUrl, redactUrl } from '../redis-url.js';

/** A connection to one server or to a cluster. Loaded on demand: ioredis takes 80 ms that most processes do not need. */
export type RedisClient = Redis | Cluster;

export interface ConnectOptions {
  /** Whether the URL's server is a node of a Redis Cluster. Default: the server is asked. */
  readonly cluster?: boolean;
  /** Shown by `CLIENT LIST`. */
  readonly name?: string;
  /** Told when the connection is lost and found again. Default: silent. */
  readonly warn?: (message: string) => void;
  /** How long the first connection may take. Default 5000 ms. Later ones are tried for ever. */
  readonly timeoutMs?: number;
}

const RECONNECT_MAX_MS = 2000;
/** A connection that waits for an answer this long is dead (a host that vanished says no goodbye). */
const SILENCE_MAX_MS = 30_000;

/**
 * Connects, and checks that the server is fit for a queue. From then on a lost connection is made again and its
 * commands sent again, for as long as it takes.
 * @throws RedisError naming the address (never the password) and what to do
 */
export async function connectRedis(url: string, options: ConnectOptions = {}): Promise<RedisClient> {
  const { cluster, name, warn, timeoutMs = 5000 } = options;
  const where = redactUrl(url);
  const { tls, ...address } = parseRedisUrl(url);
  let connectedOnce = false;
  const retryStrategy = (times: number) => (connectedOnce ? Math.min(25 * 2 ** times, RECONNECT_MAX_MS) : null);
  const redisOptions: RedisOptions = {
    ...address,
    ...(tls && { tls: { servername: address.host } }),
    connectionName: name,
    connectTimeout: timeoutMs,
    socketTimeout: SILENCE_MAX_MS,
    maxRetriesPerRequest: null,
    lazyConnect: true,
    disableClientInfo: true,
    retryStrategy,
  };
  const ioredis = await import('ioredis');
  const make = (asCluster: boolean): RedisClient =>
    asCluster
      ? new ioredis.Cluster([{ host: address.host, port: address.port }], {
          redisOptions,
          lazyConnect: true,
          clusterRetryStrategy: retryStrategy,
        })
      : new ioredis.Redis(redisOptions);

  const attempt = async (client: RedisClient) => {
    let reason: Error | undefined;
    client.on('error', (error) => {
      reason ??= (error as { lastNodeError?: Error }).lastNodeError ?? error;
    });
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    });
    try {
      return await Promise.race([client.connect().then(() => information(client)), late]);
    } catch (error) {
      client.disconnect();
      throw notReachable(where, reason ?? (error as Error));
    } finally {
      clearTimeout(deadline);
    }
  };

  let client = make(cluster === true);
  let info = await attempt(client);
  if (cluster === undefined && info.mode === 'cluster' && !address.path) {
    client.disconnect();
    client = make(true);
    info = await attempt(client);
  }
  try {
    checkRedis(info, where);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  connectedOnce = true;
  if (warn) watchConnection(client, where, warn);
  return client;
}

export class RedisError extends Error {
  override name = 'RedisError';
}

export interface RedisInformation {
  readonly server: 'redis' | 'valkey';
  readonly version: string;
  readonly mode: string;
  readonly policy: string;
}

/** What a server, or the worst configured master of a cluster, says of itself. */
export async function information(client: RedisClient): Promise<RedisInformation> {
  const servers = client.isCluster ? (client as Cluster).nodes('master') : [client];
  const each = await Promise.all(servers.map(async (server) => parseInformation(await server.info())));
  return each.find((info) => info.policy !== 'noeviction') ?? each[0]!;
}

export function parseInformation(text: string): RedisInformation {
  const field = (name: string) => text.match(new RegExp(`^${name}:(.*?)\\r?$`, 'm'))?.[1];
  const valkey = field('valkey_version');
  return {
    server: valkey || field('server_name') === 'valkey' ? 'valkey' : 'redis',
    version: valkey ?? field('redis_version') ?? 'unknown',
    mode: field('redis_mode') ?? field('server_mode') ?? 'standalone',
    policy: field('maxmemory_policy') ?? 'unknown',
  };
}

/** @throws RedisError when the server is too old, or may throw away keys of the queue when memory is short. */
export function checkRedis(info: RedisInformation, where: string): void {
  // Every version of Valkey is newer than Redis 7.2, from which it was forked.
  if (info.server === 'redis' && !(Number.parseInt(info.version, 10) >= 7))
    throw new RedisError(
      `Redis at ${where} is version ${info.version}: Sheaf needs Redis 7 or newer, or Valkey. Install one (apt-get install redis-server, brew install redis)`,
    );
  if (info.policy !== 'noeviction')
    throw new RedisError(
      `Redis at ${where} has the eviction policy ${info.policy} and would drop parts of the queue when memory is short. Set it to noeviction: redis-cli config set maxmemory-policy noeviction (and in redis.conf, to keep it)`,
    );
}

function notReachable(where: string, reason: Error & { code?: string }): Error {
  if (reason instanceof RedisError) return reason;
  const text = reason.message;
  if (/NOAUTH|Authentication required/i.test(text))
    return new RedisError(`Redis at ${where} wants a password: put it into the URL (redis://:PASSWORD@host:port)`);
  if (/WRONGPASS|invalid password|invalid username/i.test(text))
    return new RedisError(`Redis at ${where} refuses the password of the URL`);
  if (/certificate|self.signed/i.test(text))
    return new RedisError(
      `Redis at ${where} shows a certificate that this machine does not trust (${text}): name its authority with NODE_EXTRA_CA_CERTS=/path/to/ca.pem`,
    );
  return new RedisError(
    `cannot reach Redis at ${where}: ${text || reason.code}. Is it running there (redis-server), and does a firewall let you through?`,
  );
}

function watchConnection(client: RedisClient, where: string, warn: (message: string) => void): void {
  let lost = false;
  client.on('reconnecting', () => {
    if (!lost) warn(`lost the connection to Redis at ${where}; trying again until it is back`);
    lost = true;
  });
  client.on('ready', () => {
    if (lost) warn(`connected to Redis at ${where} again`);
    lost = false;
  });
}
