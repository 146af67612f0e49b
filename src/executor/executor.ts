import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import type { Control, ExecutorChannel, ExecutorInfo, SlotInfo } from '../protocol/channel.js';
import { every, systemClock } from '../protocol/clock.js';
import { FailureError } from '../protocol/failure.js';
import { HOST_SEAT, type TaskMessage } from '../protocol/task.js';
import { BlockFiles, type BlockHome } from './block-files.js';
import { BlockService } from './block-service.js';
import { hostIdentity, type Scratch, scratchDirectories } from './host.js';
import { ProgramRunner } from './program-runner.js';
import { ResidentMap } from './residents.js';
import { ServiceProcesses } from './services.js';
import { Slot } from './slot.js';

export interface ExecutorOptions {
  readonly id: string;
  readonly slots: readonly SlotInfo[];
  readonly channel: ExecutorChannel;
  readonly secret: string;
  readonly fingerprint: string;
  /** Address the block service listens on, and under which other hosts reach it. Default: loopback. */
  readonly bind?: string;
  readonly advertise?: string;
  readonly heartbeatMs: number;
  /** Environment of a slot's process, beside this process's own. */
  readonly slotEnvironment: (slot: SlotInfo) => NodeJS.ProcessEnv;
  /** Called when the cluster told the executor to stop. */
  readonly onStop?: (reason: string) => void;
}

/** Beside each slot's seats there are a few for work of the executor's own process. */
const HOST_SEATS = 2;
const SEATS_A_SLOT = 2;

export function blockToken(secret: string): string {
  return createHmac('sha256', secret).update('block-service').digest('hex');
}

/**
 * One executor: takes messages for its slots from its channel, keeps blocks, and tells that it lives. Its own event loop
 * never computes. What belongs to a driver whose lease has ended is dropped.
 */
export class Executor {
  readonly #holding = new Map<string, TaskMessage>();
  readonly #slots: Slot[];
  #stopHeartbeats = () => {};

  private constructor(
    readonly options: ExecutorOptions,
    readonly info: ExecutorInfo,
    readonly blocks: BlockFiles,
    readonly service: BlockService,
    readonly services: ServiceProcesses,
    readonly host: ProgramRunner,
    readonly scratch: Scratch,
  ) {
    this.#slots = options.slots.map(
      (slot) => new Slot(slot.index, info.id, blocks.home, blocks.home.diskDirectory, options.slotEnvironment(slot)),
    );
  }

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
    const info: ExecutorInfo = { id, host, hostname: hostname(), pid: process.pid, slots, blockUrl, fingerprint };
    const services = new ServiceProcesses(
      home,
      advertise,
      options.slotEnvironment({ index: HOST_SEAT, device: 'cpu' }),
    );
    const residents = new ResidentMap();
    const runner = new ProgramRunner({
      ...{ executor: id, slot: HOST_SEAT, blocks, residents, services },
      directory: scratch.disk,
    });
    const executor = new Executor(options, info, blocks, service, services, runner, scratch);
    await executor.#open();
    return executor;
  }

  async #open(): Promise<void> {
    const { channel, heartbeatMs } = this.options;
    await channel.open(this.info, this.#slots.length * SEATS_A_SLOT + HOST_SEATS, {
      message: (message) => this.#onMessage(message),
      control: (control) => this.#onControl(control),
      driverGone: (driver) => this.#end(driver),
    });
    const beat = () =>
      channel
        .heartbeat({ executor: this.info, holding: [...this.#holding.keys()], at: Date.now() })
        .catch((error: Error) => console.error(`heartbeat: ${error.message}`));
    this.#stopHeartbeats = every(systemClock, heartbeatMs, beat);
    await beat();
  }

  async stop(reason: string): Promise<void> {
    this.#stopHeartbeats();
    await Promise.all([...this.#slots.map((slot) => slot.close()), this.services.close()]);
    await this.options.channel.close(reason);
    await this.service.close();
    this.scratch.remove();
  }

  async #onMessage(message: TaskMessage): Promise<void> {
    if (this.#holding.has(message.id)) return; // the queue delivered it twice
    this.#holding.set(message.id, message);
    try {
      const outcomes =
        message.slot === HOST_SEAT
          ? await this.host.run(message, new AbortController().signal)
          : await this.#slotOf(message).run(message);
      const { id, driver, executor, slot } = message;
      await this.options.channel.report({ id, driver, executor, slot, outcomes });
    } finally {
      this.#holding.delete(message.id);
    }
  }

  #slotOf(message: TaskMessage): Slot {
    const slot = this.#slots[message.slot];
    if (slot) return slot;
    const text = `executor ${this.info.id} has no slot ${message.slot}`;
    throw new FailureError({ kind: 'executor-lost', executor: this.info.id, message: text });
  }

  #onControl(control: Control): void {
    if (control.kind === 'stop') return void this.options.onStop?.(control.reason);
    if (control.kind === 'release') return this.#release(control.scope);
    for (const slot of this.#slots)
      slot.cancel(({ driver, tasks }) => driver === control.driver && tasks[0]?.job === control.job);
  }

  #release(scope: string): void {
    this.blocks.release(scope);
    this.services.release(scope);
    this.host.slot.residents.release(scope);
    for (const slot of this.#slots) slot.release(scope);
  }

  /** A driver is the scope above all it owns. */
  #end(driver: string): void {
    for (const slot of this.#slots) slot.cancel((message) => message.driver === driver);
    this.#release(driver);
  }
}
