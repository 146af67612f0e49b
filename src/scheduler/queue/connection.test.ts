import { describe, expect, it } from 'vitest';
import { checkRedis, parseInformation } from './connection.js';

const info = (...lines: string[]) =>
  parseInformation(['# Server', ...lines, 'maxmemory_policy:noeviction', ''].join('\r\n'));

describe('what a server says of itself', () => {
  it('is understood for Redis and for Valkey', () => {
    expect(info('redis_version:7.0.15', 'redis_mode:standalone')).toEqual({
      server: 'redis',
      version: '7.0.15',
      mode: 'standalone',
      policy: 'noeviction',
    });
    expect(info('redis_version:7.2.4', 'server_name:valkey', 'valkey_version:8.1.0', 'server_mode:cluster')).toEqual({
      server: 'valkey',
      version: '8.1.0',
      mode: 'cluster',
      policy: 'noeviction',
    });
  });

  it('decides whether it will do', () => {
    for (const version of ['redis_version:7.0.0', 'redis_version:8.2.1', 'redis_version:7.2.4\r\nvalkey_version:8.0.0'])
      expect(() => checkRedis(info(version), 'h')).not.toThrow();
    expect(() => checkRedis(info('redis_version:6.2.14'), 'redis://h')).toThrow(
      /redis:\/\/h is version 6.2.14.*Redis 7/,
    );
    expect(() => checkRedis(info(), 'h')).toThrow(/version unknown/);
    expect(() => checkRedis({ ...info('redis_version:7.0.0'), policy: 'volatile-lru' }, 'h')).toThrow(/config set/);
  });
});
