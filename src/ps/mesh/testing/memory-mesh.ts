import type { Mesh, Received } from '../mesh.js';

interface Frame {
  readonly tag: number;
  readonly meta: Uint8Array;
  payload(): Uint8Array;
  taken(): void;
}

/**
 * Meshes of so many members in one thread, for tests: what is sent is read from the sender's memory when the receiver asks
 * for it, as late as the contract allows.
 *
 * @param delay turns of the event loop before a frame is looked at. Default: none
 */
export function memoryMeshes(members: number, delay: () => number = () => 0): Mesh[] {
  const queues = new Map<string, { frames: Frame[]; wake: (() => void)[] }>();
  const queue = (from: number, to: number) => {
    const key = `${from}>${to}`;
    if (!queues.has(key)) queues.set(key, { frames: [], wake: [] });
    return queues.get(key)!;
  };
  let broken: Error | undefined;
  const end = new AbortController();
  const turns = async (count: number) => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  return Array.from({ length: members }, (_, rank) => ({
    rank,
    members,
    payloadBytes: 0,
    overheadBytes: 0,
    ended: end.signal,
    send(to, tag, meta, payload) {
      const bytes = payload.reduce((sum, part) => sum + part.length, 0);
      (this as { payloadBytes: number }).payloadBytes += bytes;
      const { frames, wake } = queue(rank, to);
      return new Promise((taken, reject) => {
        if (broken) return reject(broken);
        frames.push({ tag, meta, payload: () => Buffer.concat(payload, bytes), taken });
        wake.shift()?.();
      });
    },
    async receive(from, tag, target): Promise<Received> {
      const { frames, wake } = queue(from, rank);
      if (frames.length === 0) await new Promise<void>((resolve) => void wake.push(resolve));
      if (broken) throw broken;
      await turns(delay());
      const frame = frames.shift()!;
      if (frame.tag !== tag) throw new Error(`member ${from} sent frame ${frame.tag}, expected ${tag}`);
      const payload = frame.payload();
      const into = target(payload.length);
      into.set(payload);
      frame.taken();
      return { meta: frame.meta, payload: into };
    },
    close() {},
    abort(reason) {
      broken ??= reason;
      end.abort(broken);
      for (const { wake } of queues.values()) for (const resolve of wake.splice(0)) resolve();
    },
  }));
}
