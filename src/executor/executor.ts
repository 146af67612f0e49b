import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import type { Control, ExecutorChannel, ExecutorInfo, SlotInfo } from '../protocol/channel.js';
import { every, systemClock } from '../protocol/clock.js';
import { FailureError } from '../protocol/failure.js';
import { HOST_SEAT, type ResultMessage, type TaskMessage, type TaskOutcome } from '../protocol/task.js';
import { driverOf, type SentMessage } from '../protocol/template.js';
import { VERSION } from '../protocol/version.js';
import { BlockFiles, type BlockHome } from './block-files.js';
import { BlockService } from './block-service.js';
import { hostIdentity, type Scratch, scratchDirectories } from './host.js';
import { partsOf } from './parts.js';
import { ProgramRunner } from './program-runner.js';
import { ResidentMap } from './residents.js';
import { ServiceProcesses } from './services.js';
import { failed, Slot } from './slot.js';
import { defaultSlotMemory, memoryEnvironment } from './slot-memory.js';
import { Templates } from './templates.js';

export interface ExecutorOptions {
  readonly id: string;
  readonly slots: readonly SlotInfo[];
  readonly channel: ExecutorChannel;
  readonly secret: string;
  readonly fingerprint: string;
  /** Address the block service and other services listen on, and the one under which other hosts reach them. Default: loopback. */
  readonly bind?: string;
  readonly advertise?: string;
  readonly heartbeatMs: number;
  /** Environment of a slot's process, beside this process's own. */
  readonly slotEnvironment: (slot: SlotInfo) => NodeJS.ProcessEnv;
  /** Bytes that a slot's kept partitions and running operators may hold. Default: `defaultSlotMemory`. */
  readonly slotMemory?: number | undefined;
  /** Modules of the engine that slots load before there is work. Default: none. */
  readonly preload?: readonly string[];
  /** Called when the cluster told the executor to stop. */
  readonly onStop?: (reason: string) => void;
}

/** A message at hand. */
interface Held {
  readonly message: TaskMessage;
  /** Ends what this process does for it. */
  readonly abort: AbortController;
  /** Scopes released since it came. */
  readonly released: Set<string>;
}

/** Beside each slot's seats there are a few for work of the executor's own process. */
const HOST_SEATS = 2;
const SEATS_A_SLOT = 2;
/** Messages remembered after their end: what the queue delivers twice is answered twice, and run once. */
const REMEMBERED = 256;
/** Answers above this are not kept for a second delivery. */
const REMEMBERED_BYTES = 16 * 1024;

export function blockToken(secret: string): string {
  return createHmac('sha256', secret).update('block-service').digest('hex');
}

/**
 * One executor: takes messages for its slots from its channel, keeps blocks, and tells that it lives. Its own event loop
 * never computes. What belongs to a driver whose lease has ended is dropped.
 */
export class Executor {
  readonly #holding = new Map<string, Held>();
  readonly #templates = new Templates();
  readonly #reported = new Recent<ResultMessage | undefined>(REMEMBERED);
  readonly #cancelled = new Recent<true>(REMEMBERED);
  readonly #slots: Slot[];
  #stopHeartbeats = () => {};
  #stopping = false;

  private constructor(
    readonly options: ExecutorOptions,
    readonly info: ExecutorInfo,
    readonly blocks: BlockFiles,
    readonly service: BlockService,
    readonly services: ServiceProcesses,
    readonly host: ProgramRunner,
    readonly scratch: Scratch,
  ) {
    const memory = memoryEnvironment(options.slotMemory ?? defaultSlotMemory(options.slots.length));
    const { bind, hostname } = services;
    this.#slots = options.slots.map(
      (slot) =>
        new Slot(
          ...([slot.index, info.id, blocks.home, blocks.home.diskDirectory] as const),
          ...([{ ...options.slotEnvironment(slot), ...memory }, options.preload, { bind, hostname }] as const),
        ),
    );
  }

  /** @throws Error when the queue or a slot cannot be opened; nothing is left then */
  static async start(options: ExecutorOptions): Promise<Executor> {
    const { id, slots, fingerprint, secret, bind = '127.0.0.1', advertise = bind } = options;
    const token = blockToken(secret);
    let blocks: BlockFiles;
    const service = await BlockService.listen(bind, token, () => blocks);
    const blockUrl = service.url(advertise);
    const scratch = scratchDirectories(id);
    const host = hostIdentity();
    const home: BlockHome = {
      ...{ holder: id, host, url: blockUrl, token },
      memoryDirectory: scratch.memory,
      diskDirectory: scratch.disk,
    };
    blocks = new BlockFiles(home);
    const info: ExecutorInfo = {
      ...{ id, host, hostname: hostname(), pid: process.pid, slots, blockUrl, fingerprint },
      version: VERSION,
    };
    const services = new ServiceProcesses(
      home,
      bind,
      advertise,
      options.slotEnvironment({ index: HOST_SEAT, device: 'cpu' }),
    );
    const residents = new ResidentMap();
    const runner = new ProgramRunner(
      {
        ...{ executor: id, slot: HOST_SEAT, blocks, residents, services, bind, hostname: advertise },
        directory: scratch.disk,
      },
      Date.now,
      (message, signal) => partsOf(message, signal, (part) => executor.#inSlot(part)),
    );
    const executor: Executor = new Executor(options, info, blocks, service, services, runner, scratch);
    try {
      await executor.#open();
    } catch (error) {
      await executor.stop('it could not be opened').catch(() => {}); // the first error says more
      throw error;
    }
    return executor;
  }

  async #open(): Promise<void> {
    const { channel, heartbeatMs } = this.options;
    await channel.open(this.info, this.#slots.length * SEATS_A_SLOT + HOST_SEATS, {
      message: (message) => this.#onMessage(message),
      control: (control) => this.#onControl(control),
      driverGone: (driver) => this.#endDriver(driver),
    });
    const beat = () =>
      channel
        .heartbeat({ executor: this.info, holding: [...this.#holding.keys()], at: Date.now() })
        .catch((error: Error) => console.error(`heartbeat: ${error.message}`));
    this.#stopHeartbeats = every(systemClock, heartbeatMs, beat);
    for (const slot of this.#slots) slot.warmUp();
    await beat();
  }

  /** Takes leave first, so that nothing more is sent here and the tasks at hand move at once; then ends all it started. */
  async stop(reason: string): Promise<void> {
    this.#stopping = true;
    this.#stopHeartbeats();
    await this.options.channel.close(reason);
    await Promise.all([...this.#slots.map((slot) => slot.close()), this.services.close()]);
    await this.service.close();
    this.scratch.remove();
  }

  async #onMessage(sent: SentMessage): Promise<void> {
    const { id } = sent;
    if (this.#holding.has(id)) return; // the queue delivered it twice
    if (this.#reported.has(id)) {
      const result = this.#reported.get(id);
      if (result) await this.options.channel.report(result);
      if (result) return;
    }
    const message = this.#templates.whole(sent);
    if (!message) return this.options.channel.report(this.#unknown(sent));
    const held = { message, abort: new AbortController(), released: new Set<string>() };
    this.#holding.set(id, held);
    try {
      const { driver, executor, slot } = message;
      const result = { id, driver, executor, slot, outcomes: await this.#run(message, held.abort.signal) };
      this.#reported.set(id, JSON.stringify(result).length <= REMEMBERED_BYTES ? result : undefined);
      if (!this.#stopping) await this.#report(message, result);
    } finally {
      this.#holding.delete(id);
      // What it wrote, started or made resident after its scope had ended.
      for (const scope of held.released) this.#releaseHere(scope);
    }
  }

  /** An answer too large to travel is a failure that is not; one that is not sent is asked for again by the driver. */
  async #report(message: TaskMessage, result: ResultMessage): Promise<void> {
    const { channel } = this.options;
    try {
      await channel.report(result);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const failure = { kind: 'user-error', message: error.message } as const;
      await channel.report({ ...result, outcomes: failed(message, failure) });
    }
  }

  #unknown(sent: SentMessage): ResultMessage {
    return { id: sent.id, driver: driverOf(sent), executor: this.info.id, slot: HOST_SEAT, outcomes: [] };
  }

  #run(message: TaskMessage, signal: AbortSignal): Promise<TaskOutcome[]> | TaskOutcome[] {
    if (this.#cancelled.has(message.id))
      return failed(message, { kind: 'cancelled', message: 'cancelled before it came' });
    return message.slot === HOST_SEAT ? this.host.run(message, signal) : this.#inSlot(message);
  }

  #inSlot(message: TaskMessage): Promise<TaskOutcome[]> | TaskOutcome[] {
    const slot = this.#slots[message.slot];
    if (slot) return slot.run(message);
    const text = `executor ${this.info.id} has no slot ${message.slot}`;
    return failed(message, { kind: 'executor-lost', executor: this.info.id, message: text });
  }

  #onControl(control: Control): void {
    if (control.kind === 'stop') this.options.onStop?.(control.reason);
    if (control.kind === 'release') this.#release(control.scope);
    if (control.kind === 'cancel') this.#cancel(control.driver, control.messages);
  }

  #cancel(by: string, messages: readonly string[]): void {
    const ids = new Set(messages);
    for (const id of ids) if (!this.#holding.has(id)) this.#cancelled.set(id, true);
    this.#end(({ id, driver }) => driver === by && ids.has(id));
  }

  #end(concerns: (message: TaskMessage) => boolean): void {
    const cancelled = new FailureError({ kind: 'cancelled', message: 'the job was cancelled' });
    for (const { message, abort } of this.#holding.values()) if (concerns(message)) abort.abort(cancelled);
    for (const slot of this.#slots) slot.cancel(concerns);
  }

  #release(scope: string): void {
    this.#templates.release(scope);
    for (const { released } of this.#holding.values()) released.add(scope);
    this.#releaseHere(scope);
    for (const slot of this.#slots) slot.release(scope);
  }

  /** What this process keeps; slots let go in the order of their messages. */
  #releaseHere(scope: string): void {
    this.blocks.release(scope);
    this.services.release(scope);
    this.host.slot.residents.release(scope);
  }

  /** A driver is the scope above all it owns. */
  #endDriver(driver: string): void {
    this.#end((message) => message.driver === driver);
    this.#release(driver);
  }
}

/** A map that forgets its oldest entries. */
class Recent<V> extends Map<string, V> {
  constructor(readonly limit: number) {
    super();
  }

  override set(key: string, value: V): this {
    super.set(key, value);
    if (this.size > this.limit) this.delete(this.keys().next().value!);
    return this;
  }
}
