/* All of Wengert's public headers. One that brings in the types of libuv is to stay out of here. */
#ifndef WENGERT_H
#define WENGERT_H

#include <wengert/cell.h>
#include <wengert/export.h>
#include <wengert/gradcheck.h>
#include <wengert/host_api.h>
#include <wengert/memory.h>
#include <wengert/op.h>
#include <wengert/parallel.h>
#include <wengert/param.h>
#include <wengert/plugin.h>
#include <wengert/program.h>
#include <wengert/rng.h>
#include <wengert/scan.h>
#include <wengert/state.h>
#include <wengert/status.h>
#include <wengert/tape.h>
#include <wengert/tensor.h>
#include <wengert/version.h>

#include <wengert/ops.h>

#include <wengert/attention.h>
#include <wengert/bleu.h>
#include <wengert/decode.h>
#include <wengert/interop.h>
#include <wengert/optimizer.h>
#include <wengert/rnn.h>
#include <wengert/schedule.h>
#include <wengert/seq2seq.h>
#include <wengert/trainer.h>

#include <wengert/atomicfile.h>
#include <wengert/batch.h>
#include <wengert/checkpoint.h>
#include <wengert/corpus.h>
#include <wengert/heatmap.h>
#include <wengert/jsonlog.h>
#include <wengert/libraries.h>
#include <wengert/npz.h>
#include <wengert/safetensors.h>
#include <wengert/saver.h>
#include <wengert/sentences.h>
#include <wengert/statefile.h>
#include <wengert/stream.h>
#include <wengert/subword.h>
#include <wengert/tensorfile.h>
#include <wengert/textfile.h>
#include <wengert/tokenize.h>
#include <wengert/vocab.h>

#include <wengert/translator.h>
#include <wengert/translator_model.h>

#endif
