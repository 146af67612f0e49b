/** Values by key, kept only while somebody else refers to them. */
export class WeakValues<V extends object> {
  readonly #values = new Map<string, WeakRef<V>>();
  readonly #gone: FinalizationRegistry<string>;

  /** @param onGone told some time after a value has become unreachable, unless it was deleted */
  constructor(onGone: (key: string) => void = () => {}) {
    this.#gone = new FinalizationRegistry((key) => {
      if (!this.#values.has(key) || this.#values.get(key)?.deref() !== undefined) return;
      this.#values.delete(key);
      onGone(key);
    });
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): V | undefined {
    return this.#values.get(key)?.deref();
  }

  set(key: string, value: V): V {
    this.#values.set(key, new WeakRef(value));
    this.#gone.register(value, key, value);
    return value;
  }

  delete(key: string): void {
    const value = this.get(key);
    if (value) this.#gone.unregister(value);
    this.#values.delete(key);
  }
}
