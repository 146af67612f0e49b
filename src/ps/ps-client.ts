import { connect, type Socket } from 'node:net';
import { FailureError } from '../protocol/failure.js';
import type { TaskContext } from '../protocol/program.js';
import { type Frame, type FromServer, onFrames, type ServerAddress, sendFrame, type ToServer } from './ps-protocol.js';
import type { GradientSum, TreeNode, ValueNode } from './tree.js';

/** What a member of a round computes with: a replica of the network, seen from here. */
export interface RoundMember {
  readonly step: number;
  gradients(shards: readonly number[]): ValueNode<GradientSum>[];
  /** Takes over the weights after the next update. */
  adopt(theta: Float32Array): void;
  expect(generation: number, step: number): void;
}

export interface Round {
  readonly generation: number;
  readonly step: number;
  readonly steps: number;
  readonly rank: number;
  readonly shards: readonly number[];
  readonly server: ServerAddress;
}

/** Sums over all members of one step. */
export interface StepTotal {
  readonly rows: number;
  /** JSON has no NaN: null is one. */
  readonly lossSum: number | null;
  /** This member's own sums whose loss is no number, where there are any. */
  readonly bad?: readonly TreeNode[];
}

/**
 * Joins a parameter server for a round. Push and pull are one exchange: the answer to a step's gradients is theta after
 * it. When server or another member is lost every wait ends at once with `executor-lost`.
 */
export async function joinServer(round: Round, signal: AbortSignal): Promise<ServerConnection> {
  const connection = connectTo(round.server, signal);
  const { generation, rank } = round;
  await connection.ask({ kind: 'join', token: round.server.token, generation, rank });
  return connection;
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

  async runRound(member: RoundMember, round: Round, context: TaskContext): Promise<StepTotal[]> {
    member.expect(round.generation, round.step);
    const totals: StepTotal[] = [];
    for (let done = 0; done < round.steps; done++) {
      const nodes = member.gradients(round.shards);
      const begun = performance.now();
      const { header, payload } = await this.ask(
        {
          kind: 'push',
          generation: round.generation,
          step: member.step,
          nodes: nodes.map(({ level, index, value: { rows, lossSum } }) => ({ level, index, rows, lossSum })),
        },
        ...nodes.map(
          ({ value: { gradient } }) => new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength),
        ),
      );
      if (header.kind !== 'updated') throw new Error(`the parameter server answered "${header.kind}" to a push`);
      member.adopt(new Float32Array(payload.buffer, payload.byteOffset, payload.length / 4));
      for (const { value } of nodes) context.metrics.rows += value.rows;
      context.metrics.fetchMs += performance.now() - begun;
      context.metrics.bytesIn += payload.length;
      const bad = nodes.filter(({ value }) => !Number.isFinite(value.lossSum));
      const own = bad.length > 0 ? { bad: bad.map(({ level, index }) => ({ level, index })) } : {};
      totals.push({ rows: header.rows, lossSum: header.lossSum, ...own });
    }
    return totals;
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
