import { describe, expect, it } from 'vitest';
import { Conf } from './conf.js';
import { parseMaster } from './master.js';
import { isRedisUrl, parseRedisUrl, redactUrl, socketUrl } from './redis-url.js';

describe('a Redis URL', () => {
  it('names host, port, credentials, database and TLS', () => {
    expect(parseRedisUrl('redis://h')).toEqual({ host: 'h', port: 6379, db: 0, tls: false });
    expect(parseRedisUrl('rediss://u:p%40w%2F@h.example:7000/3')).toEqual({
      host: 'h.example',
      port: 7000,
      username: 'u',
      password: 'p@w/',
      db: 3,
      tls: true,
    });
    expect(parseRedisUrl('redis://[::1]:1').host).toBe('::1');
  });

  it('names a Unix socket', () => {
    const url = socketUrl('/tmp/a b/r?.sock', 'p:w@/');
    expect(parseRedisUrl(url)).toEqual({ path: '/tmp/a b/r?.sock', password: 'p:w@/', db: 0, tls: false });
    expect(parseRedisUrl('redis+unix:///run/redis.sock').path).toBe('/run/redis.sock');
  });

  it('is told from other masters', () => {
    expect(['redis://h', 'rediss://h', 'redis+unix:///s'].map(isRedisUrl)).toEqual([true, true, true]);
    expect(['local[2]', 'local-cluster[1,1]', 'redish', 'http://h'].map(isRedisUrl)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it.each(['', 'h:6379', 'http://h', 'redis://', 'redis://h/x', 'redis+unix://other/s', 'redis+unix://localhost'])(
    'is refused when malformed: %s',
    (text) => expect(() => parseRedisUrl(text)).toThrow(TypeError),
  );

  it('never tells its password', () => {
    expect(redactUrl('redis://u:pass@h:1/0')).toBe('redis://u:***@h:1/0');
    expect(redactUrl('redis://:pa:s@s@h')).not.toMatch(/pa|s@s/);
    expect(redactUrl('redis://h:1')).toBe('redis://h:1');
    expect(redactUrl('redis+unix://:pass@localhost/s')).toBe('redis+unix://:***@localhost/s');
    expect(() => parseRedisUrl('redis://:hunter2@')).not.toThrow(/hunter2/);
    expect(() => parseRedisUrl('u:hunter2@h')).not.toThrow(/hunter2/);
  });

  it.each(['redis://:ab/cd@queue:6379', 'redis://u:1/cd@queue', 'redis://u:1#cd@queue', 'redis://u:1?cd@queue/0'])(
    'whose password should be escaped is refused, told how, and nowhere shown: %s',
    (url) => {
      const shown = JSON.stringify(new Conf({ 'sheaf.master': url }));
      expect(shown).toMatch(/:\*\*\*@queue/);
      expect(shown).not.toContain('cd');
      expect(() => parseRedisUrl(url)).toThrow(/%2F/);
      expect(() => parseRedisUrl(url)).not.toThrow(/cd@/);
      expect(() => parseMaster(`x${url}`)).not.toThrow(/cd@/);
    },
  );
});
