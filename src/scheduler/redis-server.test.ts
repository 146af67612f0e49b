import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectRedis } from './queue/connection.js';
import { findRedisServer, type PrivateRedis, startPrivateRedis } from './redis-server.js';
import { parseRedisUrl } from './redis-url.js';

let directory: string;
let redis: PrivateRedis | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'redis-test-'));
});
afterEach(async () => {
  await redis?.stop();
  redis = undefined;
  rmSync(directory, { recursive: true, force: true });
});

describe('a private Redis server', () => {
  it('listens on a socket of its own, with a password, and leaves nothing', async () => {
    redis = await startPrivateRedis({ directory });
    const { path, password } = parseRedisUrl(redis.url);
    expect(dirname(dirname(path!))).toBe(directory);
    expect(statSync(dirname(path!)).mode & 0o077).toBe(0);
    const client = await connectRedis(redis.url);
    expect(await client.set('a', 'b')).toBe('OK');
    expect(await client.call('CONFIG', 'GET', 'port')).toContain('0');
    client.disconnect();
    await expect(connectRedis(redis.url.replace(password!, 'wrong'))).rejects.toThrow(/refuses the password/);
    await expect(connectRedis(`redis+unix://${path}`)).rejects.toThrow(/wants a password/);
    await redis.stop();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('does not show its password to other users', async () => {
    redis = await startPrivateRedis({ directory });
    const { path, password } = parseRedisUrl(redis.url);
    if (existsSync('/proc/self'))
      for (const pid of [await redis.child.pid, redis.child.process.pid])
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(password);
    for (const file of readdirSync(dirname(path!))) expect(file).toBe('redis.sock');
  });

  it('takes a loopback port where the path is too long for a socket', async () => {
    const long = join(directory, 'x'.repeat(90));
    mkdirSync(long);
    redis = await startPrivateRedis({ directory: long });
    expect(parseRedisUrl(redis.url)).toMatchObject({ host: '127.0.0.1' });
    const client = await connectRedis(redis.url);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });

  it('says how to install it where it is missing', () => {
    expect(() => findRedisServer('/nowhere')).toThrow(/apt-get install redis-server.*brew install redis/);
  });

  it('reports what the server says when it does not start', async () => {
    await expect(startPrivateRedis({ directory, config: ['no-such-setting 1'] })).rejects.toThrow(/no-such-setting/);
    expect(readdirSync(directory)).toEqual([]);
  });
});
