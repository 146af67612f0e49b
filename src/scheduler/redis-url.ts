/** Where a Redis server listens, as a URL says it. */
export interface RedisAddress {
  readonly host?: string;
  readonly port?: number;
  /** Unix socket, instead of host and port. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly tls: boolean;
}

const FORMS =
  'redis://[user:password@]host[:port][/db], rediss:// for TLS, redis+unix://[user:password@]localhost/path/of/socket; ' +
  'in a password / ? # @ are written %2F %3F %23 %40';

/** Whether a master (`--master`) names a Redis server. */
export function isRedisUrl(master: string): boolean {
  return /^(rediss?|redis\+unix):/.test(master);
}

/**
 * Reads a Redis URL.
 *
 * ```ts
 * parseRedisUrl('rediss://:secret@queue.example/2'); // { host: 'queue.example', port: 6379, password: 'secret', db: 2, tls: true }
 * ```
 * @throws TypeError naming what is wrong, never the password
 */
export function parseRedisUrl(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // An @ behind the host: what was read as host, port or path is the beginning of a password that should be escaped.
  if (!url || !isRedisUrl(text) || `${url.pathname}${url.search}${url.hash}`.includes('@'))
    throw new TypeError(`${redactUrl(text)} is no Redis URL. Forms: ${FORMS}`);
  const credentials = {
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
  };
  if (url.protocol === 'redis+unix:') {
    if (!['', 'localhost'].includes(url.hostname) || url.pathname.length < 2)
      throw new TypeError(`${redactUrl(text)} names no socket. Form: redis+unix://:password@localhost/path/of/socket`);
    return { ...credentials, path: decodeURIComponent(url.pathname), db: 0, tls: false };
  }
  const db = Number(url.pathname.slice(1));
  if (!url.hostname || !Number.isInteger(db))
    throw new TypeError(`${redactUrl(text)} is no Redis URL. Forms: ${FORMS}`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { ...credentials, host, port: Number(url.port || 6379), db, tls: url.protocol === 'rediss:' };
}

/** The URL of a socket, as `parseRedisUrl` reads it. */
export function socketUrl(path: string, password: string): string {
  return `redis+unix://:${encodeURIComponent(password)}@localhost${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** The URL without its password, for messages. A password may hold letters that it should not: all up to the last @ is one. */
export function redactUrl(text: string): string {
  return text.replace(
    /^([a-z+]+:\/\/)?(?:([^:/?#@]*)(:))?[\s\S]*@/i,
    (_, scheme = '', user = '', colon = '') => `${scheme}${user}${colon}***@`,
  );
}
