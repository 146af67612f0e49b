import type { Residents } from '../protocol/program.js';
import { inScope } from '../protocol/scope.js';

interface Resident {
  readonly scope: string;
  readonly value: unknown;
  dispose(): void;
}

/** What one slot keeps between tasks; see the contract in protocol/program.ts. */
export class ResidentMap implements Residents {
  readonly #entries = new Map<string, Resident>();

  get<T>(id: string): T | undefined {
    return this.#entries.get(id)?.value as T | undefined;
  }

  set<T>(id: string, scope: string, value: T, dispose?: (value: T) => void): T {
    this.#entries.get(id)?.dispose();
    this.#entries.set(id, { scope, value, dispose: () => dispose?.(value) });
    return value;
  }

  release(scope: string): void {
    for (const [id, entry] of this.#entries) {
      if (!inScope(entry.scope, scope)) continue;
      this.#entries.delete(id);
      entry.dispose();
    }
  }
}
