import { createRequire } from 'node:module';
import type { Type } from 'protobufjs';

/**
 * The part of TensorBoard's events that scalars need, with the official numbers of the fields
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
 */
const SCHEMA = `
syntax = "proto3";
package tensorflow;

message Event {
  double wall_time = 1;
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; }
}
message Summary {
  message Value { string tag = 1; float simple_value = 2; }
  repeated Value value = 1;
}
`;

let event: Type | undefined;

/** Encodes and decodes `tensorflow.Event`, its fields named as in the schema. Loads protobufjs when it is first asked for. */
export function eventType(): Type {
  const require = createRequire(import.meta.url);
  event ??= (require('protobufjs') as typeof import('protobufjs'))
    .parse(SCHEMA, { keepCase: true })
    .root.lookupType('tensorflow.Event');
  return event;
}
