import { type LineageNode, narrowParents, reachable } from './lineage.js';
import type { ShuffleSpec } from './shuffle-spec.js';
import type { Terminal } from './terminal.js';

/**
 * A stage: what can be computed without moving rows between partitions. Its tasks run `terminal` over each partition of
 * `top`; map stages end in a shuffle write whose outputs later stages read.
 */
export interface Stage {
  readonly top: LineageNode;
  readonly terminal: Terminal;
  /** Map stages that must have run before. */
  readonly parents: readonly Stage[];
}

/** Cuts a lineage at its shuffles. Pure; the same shuffle is the same stage wherever it is reached. */
export function planStages(top: LineageNode, terminal: Terminal): Stage {
  const mapStages = new Map<number, Stage>();
  for (const reader of reachable(top).filter((node) => node.step.kind === 'shuffle-read')) {
    const shuffle = reader.shuffle as ShuffleSpec;
    const parent = reader.parents[0]!;
    if (!mapStages.has(shuffle.id))
      mapStages.set(shuffle.id, {
        top: parent,
        terminal: { kind: 'shuffle-write', shuffle, name: reader.name, ...reader.shuffleFunctions },
        parents: parentStages(parent, mapStages),
      });
  }
  return { top, terminal, parents: parentStages(top, mapStages) };
}

/** `reachable` lists parents first, so a stage's own map stages are there before it. */
function parentStages(top: LineageNode, mapStages: ReadonlyMap<number, Stage>): Stage[] {
  const readers = reachable(top, narrowParents).filter((node) => node.step.kind === 'shuffle-read');
  return readers.map((reader) => mapStages.get(reader.shuffle!.id)!);
}

/** The last node of the first stage below `top` that reads `source`: what a task does with a partition of it. */
export function stageTopOf(top: LineageNode, source: LineageNode): LineageNode {
  const tops = reachable(top).flatMap((node) => (node.step.kind === 'shuffle-read' ? node.parents : []));
  return tops.find((each) => reachable(each, narrowParents).includes(source)) ?? top;
}

/** The nodes a stage's tasks carry out, leaves first. */
export function stageNodes(stage: Stage): LineageNode[] {
  return reachable(stage.top, narrowParents);
}
