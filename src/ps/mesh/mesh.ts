/** A frame as it arrived: a little about it, and its payload where the receiver wanted it. */
export interface Received {
  readonly meta: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * Connections from one member of a round to each other one. Between two members frames arrive in the order they were
 * sent; a frame that is not asked for yet waits, and its sender with it (back-pressure), while all other connections go
 * on. Whoever sends and receives in the order of one common plan, all sends of a step before its receives, cannot lock
 * up.
 *
 * Failure model: when any member is lost, or the signal given to `joinMesh` is aborted, every send and receive, now and
 * later, ends with the reason (`executor-lost`, or the signal's), and all connections are closed, so that the others end
 * too. There is no other recovery: a new generation joins anew.
 */
export interface Mesh {
  readonly rank: number;
  readonly members: number;
  /** Payload bytes sent to others since the beginning; `overheadBytes` counts headers and metadata. */
  readonly payloadBytes: number;
  readonly overheadBytes: number;
  /** Aborted, with the reason, as soon as the mesh is of no use any more: for waits beside it. */
  readonly ended: AbortSignal;
  /**
   * @param tag 32 bits that sender and receiver agree on
   * @returns when the payload's memory may be changed
   */
  send(to: number, tag: number, meta: Uint8Array, payload: readonly Uint8Array[]): Promise<void>;
  /**
   * The next frame of a member; one receive a member at a time.
   *
   * @param target gives the memory for a payload of so many bytes
   */
  receive(from: number, tag: number, target: (bytes: number) => Uint8Array): Promise<Received>;
  /** Takes leave: what was sent still arrives, the others are not told of a loss. */
  close(): void;
  /** Closes at once; the others see a loss. */
  abort(reason: Error): void;
}
