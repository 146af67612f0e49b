import { connect, type Socket } from 'node:net';
import { FailureError } from '../protocol/failure.js';
import type { Exchange, RangeState, StepTotal } from './exchange.js';
import { type Frame, type FromServer, onFrames, type ServerAddress, sendFrame, type ToServer } from './ps-protocol.js';
import type { GradientSum, ValueNode } from './tree.js';

/** How a member reaches the server. */
export interface ServerMembers {
  readonly server: ServerAddress;
  readonly rank: number;
}

/**
 * Joins a parameter server. Push and pull are one exchange: the answer to a step's gradients is theta after it. When
 * server or another member is lost every wait ends at once with `executor-lost`.
 */
export async function joinServer(
  { server, rank }: ServerMembers,
  generation: number,
  signal: AbortSignal,
): Promise<Exchange> {
  const connection = connectTo(server, signal);
  await connection.ask({ kind: 'join', token: server.token, generation, rank });
  return new ServerExchange(connection, generation);
}

class ServerExchange implements Exchange {
  bytesSent = 0;

  constructor(
    readonly connection: ServerConnection,
    readonly generation: number,
  ) {}

  async step(step: number, nodes: readonly ValueNode<GradientSum>[], theta: Float32Array): Promise<StepTotal> {
    const { generation } = this;
    const numbers = nodes.map(({ level, index, value: { rows, weight, lossSum } }) => ({
      ...{ level, index, rows, weight, lossSum },
    }));
    const vectors = nodes.map(
      ({ value: { gradient } }) => new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength),
    );
    const { header, payload } = await this.connection.ask(
      { kind: 'push', generation, step, nodes: numbers },
      ...vectors,
    );
    if (header.kind !== 'updated') throw new Error(`the parameter server answered "${header.kind}" to a push`);
    theta.set(new Float32Array(payload.buffer, payload.byteOffset, payload.length / 4));
    this.bytesSent += nodes.length * theta.byteLength;
    return { rows: header.rows, weight: header.weight, lossSum: header.lossSum ?? Number.NaN };
  }

  state(): readonly RangeState[] {
    return [];
  }

  async close(): Promise<void> {
    this.connection.leave(this.generation);
  }
}

interface Waiter {
  resolve(frame: Frame<FromServer>): void;
  reject(error: Error): void;
}

/** Connects without joining: enough to ask for the state. */
export function connectTo({ host, port }: ServerAddress, signal: AbortSignal): ServerConnection {
  return new ServerConnection(connect({ host, port, noDelay: true }), signal);
}

export class ServerConnection {
  #waiting: Waiter | undefined;
  #broken: Error | undefined;

  constructor(
    readonly socket: Socket,
    signal: AbortSignal,
  ) {
    onFrames<FromServer>(socket, (frame) => this.#settle((waiter) => waiter.resolve(frame)));
    const lost = (reason: string) => this.#break(lostServer(reason));
    socket.on('error', (error) => lost(error.message));
    socket.on('close', () => lost('the connection was closed'));
    signal.addEventListener('abort', () => {
      this.#break(signal.reason);
      socket.destroy();
    });
  }

  /** @throws FailureError `executor-lost` when the server, or a member it waits for, is gone */
  async ask(request: ToServer, ...payload: readonly Uint8Array[]): Promise<Frame<FromServer>> {
    if (this.#broken) throw this.#broken;
    const answer = await new Promise<Frame<FromServer>>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      sendFrame(this.socket, request, ...payload);
    });
    if (answer.header.kind === 'refused') throw lostServer(answer.header.reason);
    return answer;
  }

  /** After a round, all of it: the server hears of no loss. */
  leave(generation: number): void {
    sendFrame<ToServer>(this.socket, { kind: 'leave', generation });
    this.socket.end();
  }

  close(): void {
    this.socket.destroy();
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#settle((waiter) => waiter.reject(this.#broken!));
  }

  #settle(answer: (waiter: Waiter) => void): void {
    const waiter = this.#waiting;
    this.#waiting = undefined;
    if (waiter) answer(waiter);
  }
}

function lostServer(reason: string): FailureError {
  return new FailureError({
    kind: 'executor-lost',
    executor: '',
    message: `the parameter server's round ended: ${reason}`,
  });
}
