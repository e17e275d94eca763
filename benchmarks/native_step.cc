// One step of leaky integrate-and-fire neurons and pair-based STDP on their recurrent synapses, in place: what
// metaplast's lif and stdp compute, in single precision, whatever the order of the weights. Few arguments: XLA unpacks
// each of them anew in every step.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using Indices = ffi::Buffer<ffi::S32>;
using Result = ffi::ResultBuffer<ffi::F32>;

struct Numbers {  // fades of V and of the traces, changes per pair, the largest weight
  float fade_v, fade_x, fade_y, up, down, largest;
};

// The synapses by the neurons on one of their sides: those of neuron i are begin[i] to begin[i + 1].
struct Side {
  bool sorted;                          // place[k] is k
  const int32_t* __restrict begin;      // [n + 1]
  const int32_t* __restrict other;      // [n_synapses]: the neuron on the other side
  const int32_t* __restrict place;      // [n_synapses]: where the weight is
};

static Side side_at(const int32_t* table, int64_t n, int64_t n_synapses) {
  return {table[0] != 0, table + 1, table + n + 2, table + n + 2 + n_synapses};
}

// Calls visit(neuron, other neuron, place) at all synapses of some neurons. Those of one neuron are independent, which is
// said only where they lie side by side: scattering eight at a time is slower than one by one.
template <typename Visit>
static void along(const Side& side, const std::vector<int32_t>& neurons, Visit visit) {
  for (int32_t i : neurons) {
    const int32_t stop = side.begin[i + 1];
    if (side.sorted) {
#pragma GCC ivdep
      for (int32_t k = side.begin[i]; k < stop; ++k) visit(i, side.other[k], k);
    } else {
      for (int32_t k = side.begin[i]; k < stop; ++k) visit(i, side.other[k], side.place[k]);
    }
  }
}

static void spikes_of(const float* on, int32_t n, std::vector<int32_t>& found) {
  constexpr int32_t kBlock = 32;  // most blocks are silent
  found.clear();
  for (int32_t start = 0; start < n; start += kBlock) {
    const int32_t stop = std::min(start + kBlock, n);
    int32_t any = 0;
    for (int32_t i = start; i < stop; ++i) any |= on[i] > 0.0f;
    for (int32_t i = start; any && i < stop; ++i) {
      if (on[i] > 0.0f) found.push_back(i);
    }
  }
}

// table: the Side of the post, then of the pre side. constants: Numbers, then the drive [n]. Of the state [4, n] the
// rows are V, the presynaptic and the postsynaptic trace, spikes. count: spikes of this step.
static ffi::Error Step(Indices table, Floats constants, Floats, Floats, Result weights, Result state, Result count) {
  const int32_t n = static_cast<int32_t>(state->element_count() / 4);
  const int64_t n_synapses = weights->element_count();
  const Side incoming = side_at(table.typed_data(), n, n_synapses);
  const Side outgoing = side_at(table.typed_data() + n + 2 + 2 * n_synapses, n, n_synapses);
  const Numbers numbers = *reinterpret_cast<const Numbers*>(constants.typed_data());
  const float* __restrict drive = constants.typed_data() + sizeof(Numbers) / sizeof(float);
  float* __restrict w = weights->typed_data();
  float *__restrict v = state->typed_data(), *__restrict x = v + n, *__restrict y = v + 2 * n;
  float* __restrict spikes = v + 3 * n;

  thread_local std::vector<int32_t> arriving, fired;
  thread_local std::vector<float> buffer;
  buffer.resize(n);
  float* __restrict up_at_pre = buffer.data();

  spikes_of(spikes, n, arriving);
  for (int32_t i = 0; i < n; ++i) {
    x[i] = numbers.fade_x * x[i] + spikes[i];
    up_at_pre[i] = spikes[i] > 0.0f ? 0.0f : numbers.up * x[i];  // a synapse is changed once
    v[i] = numbers.fade_v * v[i] + drive[i];
  }
  along(outgoing, arriving, [=](int32_t, int32_t j, int32_t at) { v[j] += w[at]; });
  for (int32_t j = 0; j < n; ++j) {
    const bool fires = v[j] > 1.0f;
    spikes[j] = fires ? 1.0f : 0.0f;
    v[j] = fires ? 0.0f : v[j];
    y[j] = numbers.fade_y * y[j];
  }
  spikes_of(spikes, n, fired);
  along(outgoing, arriving, [=](int32_t i, int32_t j, int32_t at) {  // both changes where both neurons spiked
    const float moved = w[at] + numbers.up * x[i] * spikes[j] - numbers.down * y[j];
    w[at] = std::min(std::max(moved, 0.0f), numbers.largest);
  });
  along(incoming, fired, [=](int32_t, int32_t i, int32_t at) { w[at] = std::min(w[at] + up_at_pre[i], numbers.largest); });
  for (int32_t j : fired) y[j] += 1.0f;
  count->typed_data()[0] = static_cast<float>(fired.size());
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(NativeStep, Step,
                              ffi::Ffi::Bind()
                                  .Arg<Indices>()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>());
