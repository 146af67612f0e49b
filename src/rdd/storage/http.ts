import { STATUS_CODES } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { SourceError } from '../sources/source.js';
import type { FileEntry, Store } from './storage.js';

/** Five tries, about 4 s in all. */
const RETRIES = { maxRetries: 4, minTimeout: 250, maxTimeout: 5_000 };
const REDIRECTS = { maxRedirections: 5 };

/**
 * Files of web servers, each named by its URL (there are no directories and patterns: `*` is a character like any other).
 *
 * Busy servers (429, 5xx) and broken connections are tried again, and a body that breaks off is continued where it ended,
 * by undici. Proxies are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`). Messages never show user, password or query
 * (`SourceError` leaves them out).
 */
export class HttpStore implements Store {
  #client: Promise<Client> | undefined;

  /** A range of one byte tells size and whether ranges work, also where HEAD is forbidden (as by signed URLs). */
  async list(path: string): Promise<FileEntry[]> {
    const { statusCode, headers, body } = await this.#get(path, 'bytes=0-0');
    drop(body);
    const total = /\/(\d+)$/.exec(String(headers['content-range'] ?? ''))?.[1];
    if (statusCode !== 200 && total !== undefined) return [{ path, bytes: Number(total), seekable: true }];
    return [{ path, bytes: Number(headers['content-length'] ?? 0), seekable: false }];
  }

  async readRange(path: string, start: number, end: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const bytes of this.openStream(path, start, end)) parts.push(bytes);
    return Buffer.concat(parts);
  }

  async *openStream(path: string, start = 0, end = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    if (end <= start) return;
    const last = Number.isFinite(end) ? end - 1 : '';
    const { statusCode, body } = await this.#get(path, start > 0 || last !== '' ? `bytes=${start}-${last}` : undefined);
    let at = statusCode === 206 ? start : 0; // a server without ranges sends all
    try {
      if (statusCode === 416) return; // the file ends before
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const bytes = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
        at += chunk.length;
        if (bytes.length > 0) yield bytes;
        if (at >= end) return;
      }
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      drop(body);
    }
  }

  async #get(path: string, range: string | undefined): Promise<Dispatcher.ResponseData> {
    this.#client ??= openClient();
    const { url, authorization } = withoutUser(path);
    const headers = { 'accept-encoding': 'identity', ...(range && { range }), ...(authorization && { authorization }) };
    const { request, dispatcher } = await this.#client;
    const response = await request(url, { dispatcher, headers }).catch((error) => {
      throw unreadable(path, error);
    });
    const { statusCode } = response;
    const coding = response.headers['content-encoding'];
    if (statusCode === 416 || ((statusCode === 200 || statusCode === 206) && (!coding || coding === 'identity')))
      return response;
    drop(response.body);
    if (statusCode < 300)
      throw new SourceError(`${path}: the server sends it coded (${coding}) though asked for its plain bytes`);
    throw refused(path, statusCode);
  }
}

/** Ends a body that nobody reads on. */
function drop(body: Readable): void {
  body.on('error', () => {}).destroy(); // undici reports its own abort as an error
}

interface Client {
  readonly request: typeof import('undici').request;
  readonly dispatcher: Dispatcher;
}

/** Loaded by the first request: slots that read local files start without it. */
async function openClient(): Promise<Client> {
  const { EnvHttpProxyAgent, interceptors, request } = await import('undici');
  const { redirect, retry } = interceptors;
  return { request, dispatcher: new EnvHttpProxyAgent().compose(redirect(REDIRECTS), retry(RETRIES)) };
}

/** User and password of a URL as a header. */
function withoutUser(path: string): { url: URL; authorization?: string } {
  if (!URL.canParse(path)) throw new SourceError(`${path}: that is no URL`);
  const url = new URL(path);
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return user === ':' ? { url } : { url, authorization: `Basic ${Buffer.from(user).toString('base64')}` };
}

function unreadable(path: string, error: unknown): SourceError {
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message: string };
  if (statusCode !== undefined && statusCode >= 400) return refused(path, statusCode);
  return new SourceError(`${path}: it cannot be read (${code ?? message})`);
}

function refused(path: string, status: number): SourceError {
  return new SourceError(`${path}: the server answers ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd());
}
