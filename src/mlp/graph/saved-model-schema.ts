import protobuf from 'protobufjs';

/**
 * The part of TensorFlow's formats that a graph without variables needs, with the official numbers of the fields
 * (tensorflow/core/protobuf/{saved_model,meta_graph}.proto, tensorflow/core/framework/*.proto).
 */
const SCHEMA = `
syntax = "proto3";
package tensorflow;

message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
message MetaGraphDef {
  message MetaInfoDef { repeated string tags = 4; string tensorflow_version = 5; }
  MetaInfoDef meta_info_def = 1;
  GraphDef graph_def = 2;
  map<string, SignatureDef> signature_def = 5;
}
message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto tensor_shape = 3; }

message GraphDef { repeated NodeDef node = 1; VersionDef versions = 4; }
message VersionDef { int32 producer = 1; int32 min_consumer = 2; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; string device = 4; map<string, AttrValue> attr = 5; }
message AttrValue {
  message ListValue { repeated bytes s = 2; repeated int64 i = 3; repeated int32 type = 6; }
  oneof value {
    ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6;
    TensorShapeProto shape = 7; TensorProto tensor = 8;
  }
}
message TensorShapeProto {
  message Dim { int64 size = 1; }
  repeated Dim dim = 2;
  bool unknown_rank = 3;
}
message TensorProto {
  int32 dtype = 1;
  TensorShapeProto tensor_shape = 2;
  bytes tensor_content = 4;
  repeated bytes string_val = 8;
}
`;

const root = protobuf.parse(SCHEMA, { keepCase: true }).root;

/** Encodes and decodes `tensorflow.SavedModel`, its fields named as in the schema. */
export const SavedModel = root.lookupType('tensorflow.SavedModel');
/** The same for `tensorflow.GraphDef`. */
export const GraphDef = root.lookupType('tensorflow.GraphDef');
