import { createHash } from 'node:crypto';
import { encodeValue, type Handle, type LargeCapture } from '../executor/closure/index.js';
import type { BlockLocation, BlockRef, Blocks, CopiedBlock } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import { HOST_SEAT } from '../protocol/task.js';
import type { TaskScheduler } from '../scheduler/task-scheduler.js';
import { slotKey } from '../scheduler/task-set.js';
import { Broadcast, type BroadcastHolders, CapturedBroadcast } from './broadcast.js';
import { aliveHolders, nextRound, wanting } from './broadcast-copies.js';
import type { BroadcastReference, ShippedBroadcast } from './broadcast-task.js';
import { WeakValues } from './weak-values.js';

interface State {
  readonly reference: BroadcastReference;
  readonly scope: string;
  readonly block: Promise<BlockRef>;
  /** Broadcasts that the value holds. */
  readonly inside: readonly string[];
  /** All who have a copy, the driver first. */
  holders: readonly BlockLocation[];
  /** The distribution under way, or the last one. */
  distributing: Promise<unknown>;
}

/**
 * An application's broadcasts, on the driver: their blocks, and who holds copies. Before a stage runs, the broadcasts that
 * its functions use are copied to one executor of every host, by rounds. A copy that fails is no failure: slots of
 * that host fetch the block from any holder, and so do executors that join later.
 */
export class Broadcasts implements BroadcastHolders {
  readonly #states = new Map<string, State>();
  /** A broadcast that nothing refers to can be used by nobody. */
  readonly #handles = new WeakValues<Broadcast<unknown>>((id) => this.destroy(id));
  /** Of large captured variables, with the SHA-256 of what they held. */
  readonly #captured = new WeakMap<object, { readonly sha256: string; readonly broadcast: Broadcast<object> }>();
  #made = 0;
  #rounds = 0;

  /** @param release ends a scope, everywhere */
  constructor(
    readonly app: string,
    readonly tasks: TaskScheduler,
    readonly blocks: Blocks,
    readonly release: (scope: string) => void,
  ) {}

  /** @param made `broadcast at job.ts:12` @throws ClosureError for a value that cannot travel */
  make<T>(value: T, made: string): Broadcast<T> {
    const inside = new Set<string>();
    const bytes = encodeValue(value, (handle) => handle instanceof Broadcast && inside.add(handle.id));
    const reference = this.#keep(bytes, made, [...inside]);
    return this.#handle(new Broadcast(reference, value, this));
  }

  /**
   * The broadcast that a large captured variable becomes: the same one while the same object holds the same, so that stages
   * which capture it again do not send it again.
   */
  capture({ name, value, bytes }: LargeCapture, operator: string): Broadcast<object> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const known = this.#captured.get(value);
    if (known?.sha256 === sha256) return known.broadcast;
    const size = `${(bytes.length / 2 ** 20).toFixed(1)} MiB`;
    const message = `${operator} captures "${name}" of ${size}: it becomes a broadcast, which functions share; sc.broadcast("${name}") makes one that can be dropped when it has served`;
    this.tasks.bus.emit({ event: 'warning', message });
    const reference = this.#keep(bytes, `broadcast of "${name}", captured by ${operator},`, []);
    const broadcast = this.#handle(new CapturedBroadcast(reference, value, this));
    this.#captured.set(value, { sha256, broadcast });
    return broadcast;
  }

  #handle<B extends Broadcast<any>>(broadcast: B): B {
    this.#handles.set(broadcast.id, broadcast);
    return broadcast;
  }

  #keep(bytes: Buffer, made: string, inside: readonly string[]): BroadcastReference {
    const scope = `${this.app}/broadcast-${this.#made++}`;
    const reference = { id: scope, made };
    const block = this.blocks.put('value', scope, bytes, { code: true });
    block.catch(() => {}); // told to whoever needs the block
    const rest = { holders: [], distributing: Promise.resolve() };
    this.#states.set(scope, { reference, scope, block, inside, ...rest });
    return reference;
  }

  /**
   * Sees to it that the broadcasts among a stage's handles, and those inside them, are on every host.
   * @returns how slots find them, each after those it holds
   * @throws FailureError `resource` when the driver could not keep a value
   */
  async distribute(handles: Iterable<Handle>): Promise<ShippedBroadcast[]> {
    const needed = new Map<string, State>();
    const need = (id: string) => {
      const state = this.#states.get(id);
      if (!state || needed.has(id)) return;
      for (const inner of state.inside) need(inner);
      needed.set(id, state);
    };
    for (const handle of handles) if (handle instanceof Broadcast) need(handle.id);
    return Promise.all([...needed.values()].map((state) => this.#distributed(state)));
  }

  unpersist(id: string): void {
    const state = this.#states.get(id);
    if (!state) return;
    state.holders = state.holders.slice(0, 1);
    this.tasks.release(state.scope);
  }

  destroy(id: string): void {
    const state = this.#states.get(id);
    if (!state) return;
    this.#states.delete(id);
    this.#handles.delete(id);
    this.release(state.scope);
  }

  /** Stages that need the same broadcast wait for one distribution. */
  async #distributed(state: State): Promise<ShippedBroadcast> {
    const block = await state.block;
    const distributing = state.distributing.then(() => this.#copyToHosts(state, block));
    state.distributing = distributing;
    await distributing;
    return { ...state.reference, block: { ...block, at: state.holders } };
  }

  async #copyToHosts(state: State, block: BlockRef): Promise<void> {
    const own = block.at[0]!;
    const executors = () => this.tasks.executors();
    const alive = aliveHolders(state.holders.length > 0 ? state.holders : block.at, own, executors());
    state.holders = alive;
    for (let hosts = wanting(executors(), alive); hosts.length > 0; ) {
      const round = nextRound(state.holders, hosts);
      hosts = hosts.slice(round.length);
      const copies = await Promise.all(
        round.map(({ from, to }) => this.#copy(state, { ...block, at: [from, own] }, to.id)),
      );
      state.holders = [...state.holders, ...copies.flat()];
    }
  }

  /** One copy, made by the executor itself. Without success there is one holder less, and slots fetch for themselves. */
  async #copy({ reference, scope }: State, block: BlockRef, to: string): Promise<readonly BlockLocation[]> {
    const { bus } = this.tasks;
    const begun = bus.clock.now();
    const module = 'executor/replicate';
    try {
      const parameters = await this.blocks.put(`host:${module}`, scope, new Uint8Array(1), { code: true });
      const [result] = await this.tasks.run({
        ...{ job: scope, stage: this.#rounds++, stageAttempt: 0, name: reference.made },
        program: { module, parameters },
        tasks: [{ partition: 0, inputs: block as unknown as Json, prefer: slotKey(to, HOST_SEAT) }],
        ...{ gang: true, host: true, quiet: true },
      });
      const { at, from } = result!.value as unknown as CopiedBlock;
      const ms = bus.clock.now() - begun;
      bus.emit({ event: 'broadcast-copied', broadcast: reference.made, from, to, bytes: block.bytes, ms });
      return at;
    } catch (error) {
      const message = `the ${reference.made} could not be copied to ${to}, whose slots will fetch it: ${(error as Error).message}`;
      bus.emit({ event: 'warning', message });
      return [];
    }
  }
}
