import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands before a server and cuts connections: each of the first ones after so many bytes of either direction. */
export class CuttingProxy {
  readonly #sockets = new Set<Socket>();
  readonly #cuts: number[];
  cuts = 0;
  readonly #server = createServer((client) => this.#accept(client));

  constructor(
    readonly target: number,
    cuts: readonly number[],
  ) {
    this.#cuts = [...cuts];
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    const server = connect({ host: '127.0.0.1', port: this.target });
    let left = this.#cuts.shift() ?? Number.POSITIVE_INFINITY;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    const pass = (from: Socket, to: Socket) => {
      this.#sockets.add(from);
      from.on('close', end).on('error', end);
      from.on('data', (chunk: Buffer) => {
        to.write(chunk.subarray(0, Math.min(left, chunk.length)));
        left -= chunk.length;
        if (left > 0) return;
        this.cuts++;
        end();
      });
    };
    pass(client, server);
    pass(server, client);
  }
}
