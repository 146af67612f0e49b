import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeExit, type GuardedChild, spawnGuarded } from '../executor/guardian.js';
import { freshPath } from '../executor/host.js';
import { connectRedis, RedisError } from './queue/connection.js';
import { socketUrl } from './redis-url.js';

export interface PrivateRedis {
  /** With the password: hand it on by environment or pipe, never on a command line. */
  readonly url: string;
  /** The server's process. */
  readonly child: GuardedChild;
  stop(): Promise<void>;
}

export interface PrivateRedisOptions {
  /** Where the server's own directory is made. Default: the system's temporary directory. */
  readonly directory?: string;
  /** Further lines of configuration. */
  readonly config?: readonly string[];
}

/** A longer path does not fit the address of a Unix socket (108 bytes on Linux, 104 on macOS, with the end mark). */
const SOCKET_PATH_MAX = 100;
const START_TIMEOUT_MS = 10_000;

/**
 * Starts a Redis server of one's own: on a Unix socket in a directory that only this user can enter (on a random
 * loopback port where the path is too long), with a random password, nothing written to disk. It ends with this
 * process, however that ends.
 *
 * ```ts
 * const redis = await startPrivateRedis();
 * const queue = redisQueue({ url: redis.url, secret });
 * await redis.stop();
 * ```
 * @throws RedisError when no server is installed, saying how to install one, or when it does not start, with its output
 */
export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const program = findRedisServer();
  const directory = freshPath(options.directory ?? tmpdir(), 'redis');
  const password = randomBytes(24).toString('base64url');
  const socket = join(directory, 'redis.sock');
  const onSocket = Buffer.byteLength(socket) <= SOCKET_PATH_MAX;
  const port = onSocket ? 0 : await freePort();
  const url = onSocket ? socketUrl(socket, password) : `redis://:${password}@127.0.0.1:${port}`;
  const config = [
    `port ${port}`,
    ...(onSocket ? [`unixsocket ${quote(socket)}`, 'unixsocketperm 600'] : ['bind 127.0.0.1']),
    `requirepass ${password}`,
    `dir ${quote(directory)}`,
    'save ""',
    'appendonly no',
    'maxmemory-policy noeviction',
    'databases 1',
    'loglevel warning',
    ...(options.config ?? []),
  ];

  let output = '';
  const child = spawnGuarded(program, ['-'], {
    name: 'redis',
    directory,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  // Its guardian is there first, and it reads its configuration only after: killed in between, nothing stays behind.
  mkdirSync(directory, { mode: 0o700 });
  for (const stream of [child.process.stdout!, child.process.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000);
    });
  child.process.stdin!.on('error', () => {});
  // On its standard input the configuration is seen by nobody else, and stays nowhere.
  child.process.stdin!.end(`${config.join('\n')}\n`);

  const failed = child.ended.then((code) => {
    throw new RedisError(`${program} did not start (${describeExit(code)}):\n${output.trim()}`);
  });
  failed.catch(() => {});
  try {
    await Promise.race([untilReady(url), failed]);
  } catch (error) {
    await child.kill(0);
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    child,
    async stop() {
      await child.kill();
    },
  };
}

/** Path of `redis-server` or `valkey-server`. @throws RedisError saying how to install it. */
export function findRedisServer(path = process.env.PATH ?? ''): string {
  for (const name of ['redis-server', 'valkey-server'])
    for (const directory of path.split(delimiter)) {
      const candidate = join(directory || '.', name);
      try {
        accessSync(candidate, constants.X_OK);
        return candidate;
      } catch {
        // Not here.
      }
    }
  throw new RedisError(
    'redis-server was not found: install it (sudo apt-get install redis-server, or brew install redis), or run with --master local[*], which needs none',
  );
}

async function untilReady(url: string): Promise<void> {
  const end = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const client = await connectRedis(url);
      client.disconnect();
      return;
    } catch (error) {
      const starting = /ENOENT|ECONNREFUSED|LOADING/.test((error as Error).message);
      if (!starting || Date.now() > end) throw error;
      await sleep(5);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
