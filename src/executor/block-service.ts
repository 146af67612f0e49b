import { timingSafeEqual } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BlockFiles } from './block-files.js';

/** Serves one home's blocks to other hosts: `GET /<scope>/<id>` with the cluster's bearer token, ranges allowed. */
export class BlockService {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param files called late, because the home's URL is known only once the service listens */
  static async listen(hostname: string, token: string, files: () => BlockFiles): Promise<BlockService> {
    const server = createServer((request, response) => serve(request, response, token, files()));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, hostname, resolve);
    });
    server.unref();
    return new BlockService(server);
  }

  /** @param advertised the name under which other hosts reach this one */
  url(advertised: string): string {
    return `http://${advertised}:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function serve(request: IncomingMessage, response: ServerResponse, token: string, files: BlockFiles): void {
  if (!authorized(request.headers.authorization, token)) return void response.writeHead(401).end();
  const asked = readPath(request.url ?? '');
  if (!asked) return void response.writeHead(400).end();
  const path = files.find(asked.scope, asked.id);
  const size = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size;
  if (path === undefined || size === undefined) return void response.writeHead(404).end();
  const range = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(request.headers.range ?? '');
  const [start, end] = range ? [Number(range[1]), Number(range[2])] : [0, size - 1];
  if (end >= size) return void response.writeHead(416).end();
  response.writeHead(range ? 206 : 200, { 'content-length': Math.max(0, end - start + 1) });
  if (end < start) return void response.end();
  createReadStream(path, { start, end })
    .on('error', () => response.destroy())
    .pipe(response);
}

/** Scope and id that `/<scope>/<id>` names; undefined for what no block can be called. */
function readPath(url: string): { scope: string; id: string } | undefined {
  try {
    const parts = url.split('/').filter(Boolean).map(decodeURIComponent);
    const file = parts.pop() ?? '';
    const id = decodeURIComponent(file); // it travels as the name of its file
    if (id === '' || [...parts, file, id].some((part) => part === '.' || part === '..')) return undefined;
    return [...parts, file].some((part) => part.includes('/')) ? undefined : { scope: parts.join('/'), id };
  } catch {
    return undefined; // a % that encodes nothing
  }
}

function authorized(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
