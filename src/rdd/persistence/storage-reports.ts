import type { BlockRef } from '../../protocol/block.js';
import type { Residents } from '../../protocol/program.js';
import { type StorageUpdate, storedId } from '../../protocol/storage.js';

/** An update whose blocks may still be on their way to disk. */
export interface PendingUpdate extends Omit<StorageUpdate, 'blocks'> {
  readonly blocks?: readonly BlockRef[] | Promise<readonly BlockRef[]>;
}

/** What one application's driver has not been told yet. A task of another application may evict what it keeps here. */
export class StorageReports {
  readonly #pending = new Map<string, PendingUpdate>();

  /** Later news of a partition replaces earlier, but for blocks that it says nothing of. */
  add(update: PendingUpdate): void {
    const id = storedId(update.scope, update.partition);
    const { blocks, evicted } = this.#pending.get(id) ?? {};
    this.#pending.set(id, { ...(blocks ? { blocks } : {}), ...(evicted ? { evicted } : {}), ...update });
  }

  /** All news so far, each told once; undefined when there are none. */
  async take(): Promise<StorageUpdate[] | undefined> {
    if (this.#pending.size === 0) return undefined;
    const updates = [...this.#pending.values()];
    this.#pending.clear();
    return Promise.all(
      updates.map(async ({ blocks, ...rest }) => {
        const written = await Promise.resolve(blocks).catch(() => undefined);
        return { ...rest, ...(written ? { blocks: written } : {}) };
      }),
    );
  }
}

/** @param scope of the application, or below it */
export function storageReports(scope: string, residents: Residents): StorageReports {
  const app = scope.split('/', 1)[0]!;
  const id = `storage-reports:${app}`;
  return residents.get<StorageReports>(id) ?? residents.set(id, app, new StorageReports());
}
