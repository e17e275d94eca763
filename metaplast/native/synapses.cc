// Synapses from spike to spike, as calls of XLA: the results of metaplast/connections/_events.py,
// in single precision. A step touches only synapses of neurons that spiked in it, and changes the
// weights in place.
//
// Every array but the tables has lives along its first axes. They are worked through one by one.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using Indices = ffi::Buffer<ffi::S32>;
using Result = ffi::ResultBuffer<ffi::F32>;

constexpr int kMostTerms = 4;
constexpr int32_t kLine = 16;  // numbers in a cache line
constexpr int32_t kBits = 32;

// The synapses of an edge. The table is n_post, n_pre, the number of synapses, and 1 for a list.
// A matrix lies row by row, one row a postsynaptic neuron. A list is ordered by presynaptic neuron,
// and its table goes on with the arrays below.
struct Edge {
  int32_t n_post, n_pre, n_synapses;
  bool list;
  const int32_t* __restrict leaving;   // [n_pre + 1]: the first synapse of every neuron
  const int32_t* __restrict post;      // [n_synapses]: the postsynaptic neuron
  const int32_t* __restrict arriving;  // [n_post + 1]: its first entry in the next two
  const int32_t* __restrict source;    // [n_synapses]: the presynaptic neuron, ordered by post
  const int32_t* __restrict place;     // [n_synapses]: where the weight is, ordered by post

  explicit Edge(const int32_t* table)
      : n_post(table[0]), n_pre(table[1]), n_synapses(table[2]), list(table[3] != 0) {
    leaving = table + 4;
    post = leaving + n_pre + 1;
    arriving = post + n_synapses;
    source = arriving + n_post + 1;
    place = source + n_synapses;
  }
};

// The neurons of one side that spike, as bits and as a list.
struct Side {
  int32_t n;
  std::vector<uint32_t> bits;
  std::vector<int32_t> spiking;

  void clear(int32_t size) {
    n = size;
    bits.assign((size + kBits - 1) / kBits, 0);
  }

  // Adds the neurons at which a vector is not 0.
  void mark(const float* __restrict values) {
    uint32_t* __restrict words = bits.data();
    const int32_t whole = n / kBits;
    for (int32_t k = 0; k < whole; ++k) {
      uint32_t word = 0;
      for (int32_t b = 0; b < kBits; ++b) word |= uint32_t{values[kBits * k + b] != 0.0f} << b;
      words[k] |= word;
    }
    for (int32_t i = kBits * whole; i < n; ++i) {
      words[whole] |= uint32_t{values[i] != 0.0f} << (i % kBits);
    }
  }

  void collect() {
    spiking.clear();
    for (size_t k = 0; k < bits.size(); ++k) {
      for (uint32_t word = bits[k]; word; word &= word - 1) {
        spiking.push_back(static_cast<int32_t>(kBits * k) + __builtin_ctz(word));
      }
    }
  }
};

struct Memory {  // of a thread, so that no step allocates
  Side post, pre;
  std::vector<float> others[kMostTerms];
};

// Not inlined: the address of such a variable would be looked up anew in every turn of a loop.
__attribute__((noinline)) static Memory& memory() {
  thread_local Memory mine;
  return mine;
}

// The synapses of the next neuron lie far away: they are fetched while this one is at work.
// Inlined always: GCC drops the call of a function that does nothing else.
#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE void fetch(const void* values, int32_t begin, int32_t end) {
  const float* place = static_cast<const float*>(values);
  for (int32_t k = begin; k < end; k += kLine) __builtin_prefetch(place + k);
}

static ALWAYS_INLINE void fetch_leaving(const Edge& edge, const float* w, int32_t i) {
  fetch(w, edge.leaving[i], edge.leaving[i + 1]);
  fetch(edge.post, edge.leaving[i], edge.leaving[i + 1]);
}

static ALWAYS_INLINE void fetch_arriving(const Edge& edge, int32_t j) {
  fetch(edge.source, edge.arriving[j], edge.arriving[j + 1]);
  fetch(edge.place, edge.arriving[j], edge.arriving[j + 1]);
}

// sum_j = the sum over spiking i of w_ji x_i.
static void send(const Edge& edge, const std::vector<int32_t>& spiking, const float* __restrict x,
                 const float* __restrict w, float* __restrict sum) {
  const int32_t n = static_cast<int32_t>(spiking.size());
  const int32_t* __restrict neurons = spiking.data();
  if (!edge.list) {
    for (int32_t j = 0; j < edge.n_post; ++j) {
      const float* __restrict row = w + int64_t{j} * edge.n_pre;
      float total = 0.0f;
      for (int32_t s = 0; s < n; ++s) total += row[neurons[s]] * x[neurons[s]];
      sum[j] = total;
    }
    return;
  }
  const int32_t* __restrict post = edge.post;
  std::fill(sum, sum + edge.n_post, 0.0f);
  for (int32_t s = 0; s < n; ++s) {
    const int32_t i = neurons[s];
    const float sent = x[i];
    const int32_t stop = edge.leaving[i + 1];
    if (s + 1 < n) fetch_leaving(edge, w, neurons[s + 1]);
    for (int32_t k = edge.leaving[i]; k < stop; ++k) sum[post[k]] += w[k] * sent;
  }
}

static ffi::Error Send(Indices table, Floats weights, Floats spikes, Result drive) {
  if (table.element_count() < 4) return ffi::Error::InvalidArgument("no table of an edge");
  const Edge edge(table.typed_data());
  if (edge.n_pre < 1) return ffi::Error::InvalidArgument("no presynaptic neuron");
  const int64_t lives = spikes.element_count() / edge.n_pre;
  Side& pre = memory().pre;
  for (int64_t life = 0; life < lives; ++life) {
    const float* x = spikes.typed_data() + life * edge.n_pre;
    pre.clear(edge.n_pre);
    pre.mark(x);
    pre.collect();
    send(edge, pre.spiking, x, weights.typed_data() + life * edge.n_synapses,
         drive->typed_data() + life * edge.n_post);
  }
  return ffi::Error::Success();
}

// The change of a step: clip(w + factor sum_r post_r,j pre_r,i w^power_r, low, high).
struct Step {
  int n;  // terms
  float factor, low, high;
  const float* post[kMostTerms];
  const float* pre[kMostTerms];
  bool linear[kMostTerms];  // the power is 1
  bool at_pre[kMostTerms];  // the term is 0 where the presynaptic neuron is silent
};

// N terms of a step at the synapses of one neuron, `near`, with all neurons on its `far` side.
template <int N>
struct Terms {
  float near[N];
  const float* __restrict far[N];
  bool linear[N];
  float low, high;

  float moved(float w, int32_t neuron) const {
    float total = 0.0f;
    for (int r = 0; r < N; ++r) total += near[r] * far[r][neuron] * (linear[r] ? w : 1.0f);
    return std::min(std::max(w + total, low), high);
  }
};

// Some terms of a step, by number, with their values on the far side.
struct Chosen {
  int n = 0;
  int term[kMostTerms];
  const float* far[kMostTerms];

  void add(int number, const float* values) {
    term[n] = number;
    far[n++] = values;
  }
};

template <int N, bool kPre>
static Terms<N> terms_of(const Step& step, const Chosen& chosen, int32_t neuron) {
  Terms<N> terms;
  for (int r = 0; r < N; ++r) {
    const int t = chosen.term[r];
    terms.near[r] = step.factor * (kPre ? step.pre[t] : step.post[t])[neuron];
    terms.far[r] = chosen.far[r];
    terms.linear[r] = step.linear[t];
  }
  terms.low = step.low;
  terms.high = step.high;
  return terms;
}

template <int N>
__attribute__((noinline)) static std::vector<Terms<N>>& terms_memory() {
  thread_local std::vector<Terms<N>> mine;
  return mine;
}

// Changes the columns of a matrix. A column lies in as many cache lines as it has synapses, so that
// this goes row by row.
template <int N>
static void change_columns(const Edge& edge, const Step& step, const Chosen& chosen,
                           const std::vector<int32_t>& spiking, float* __restrict w) {
  std::vector<Terms<N>>& all = terms_memory<N>();
  all.clear();
  for (const int32_t i : spiking) all.push_back(terms_of<N, true>(step, chosen, i));
  const Terms<N>* __restrict terms = all.data();
  const int32_t* __restrict neurons = spiking.data();
  const int32_t n = static_cast<int32_t>(spiking.size());
  for (int32_t j = 0; j < edge.n_post; ++j) {
    float* __restrict row = w + int64_t{j} * edge.n_pre;
    for (int32_t s = 0; s < n; ++s) row[neurons[s]] = terms[s].moved(row[neurons[s]], j);
  }
}

// Changes the rows of a matrix.
template <int N>
static void change_rows(const Edge& edge, const Step& step, const Chosen& chosen,
                        const std::vector<int32_t>& spiking, float* __restrict w) {
  for (const int32_t j : spiking) {
    const Terms<N> terms = terms_of<N, false>(step, chosen, j);
    float* __restrict row = w + int64_t{j} * edge.n_pre;
#pragma GCC ivdep
    for (int32_t i = 0; i < edge.n_pre; ++i) row[i] = terms.moved(row[i], i);
  }
}

// Changes the synapses of a list that leave some neurons.
template <int N>
static void change_leaving(const Edge& edge, const Step& step, const Chosen& chosen,
                           const std::vector<int32_t>& spiking, float* __restrict w) {
  const size_t n = spiking.size();
  for (size_t s = 0; s < n; ++s) {
    const int32_t i = spiking[s];
    const Terms<N> terms = terms_of<N, true>(step, chosen, i);
    const int32_t stop = edge.leaving[i + 1];
    if (s + 1 < n) fetch_leaving(edge, w, spiking[s + 1]);
#pragma GCC ivdep
    for (int32_t k = edge.leaving[i]; k < stop; ++k) w[k] = terms.moved(w[k], edge.post[k]);
  }
}

// Changes the synapses of a list that arrive at some neurons.
template <int N>
static void change_arriving(const Edge& edge, const Step& step, const Chosen& chosen,
                            const std::vector<int32_t>& spiking, float* __restrict w) {
  const size_t n = spiking.size();
  for (size_t s = 0; s < n; ++s) {
    const int32_t j = spiking[s];
    const Terms<N> terms = terms_of<N, false>(step, chosen, j);
    const int32_t stop = edge.arriving[j + 1];
    if (s + 1 < n) fetch_arriving(edge, spiking[s + 1]);
    for (int32_t k = edge.arriving[j]; k < stop; ++k) {
      const int32_t place = edge.place[k];
      w[place] = terms.moved(w[place], edge.source[k]);
    }
  }
}

template <int N>
static void change_side(const Edge& edge, bool of_pre, const Step& step, const Chosen& chosen,
                        const std::vector<int32_t>& spiking, float* w) {
  if (edge.list) {
    (of_pre ? change_leaving<N> : change_arriving<N>)(edge, step, chosen, spiking, w);
  } else {
    (of_pre ? change_columns<N> : change_rows<N>)(edge, step, chosen, spiking, w);
  }
}

// Changes the synapses of the spiking neurons of one side by the chosen terms.
static void change(const Edge& edge, bool of_pre, const Step& step, const Chosen& chosen,
                   const std::vector<int32_t>& spiking, float* w) {
  switch (chosen.n) {
    case 1: return change_side<1>(edge, of_pre, step, chosen, spiking, w);
    case 2: return change_side<2>(edge, of_pre, step, chosen, spiking, w);
    case 3: return change_side<3>(edge, of_pre, step, chosen, spiking, w);
    case 4: return change_side<4>(edge, of_pre, step, chosen, spiking, w);
  }
}

// Changes the synapses of one life. The side whose neurons have their synapses side by side comes
// first, with all terms. The other side has its own terms alone, and 0 at the neurons that spiked
// on the first: a synapse between two spiking neurons is changed once.
static void change_life(const Edge& edge, const Step& step, Memory& mine, float* w) {
  const bool first_is_pre = edge.list;
  mine.post.clear(edge.n_post);
  mine.pre.clear(edge.n_pre);
  for (int r = 0; r < step.n; ++r) {
    step.at_pre[r] ? mine.pre.mark(step.pre[r]) : mine.post.mark(step.post[r]);
  }
  mine.post.collect();
  mine.pre.collect();
  const Side& first = first_is_pre ? mine.pre : mine.post;
  const Side& second = first_is_pre ? mine.post : mine.pre;

  Chosen every, own;
  for (int r = 0; r < step.n; ++r) {
    every.add(r, first_is_pre ? step.post[r] : step.pre[r]);
    if (step.at_pre[r] == first_is_pre) continue;
    const float* values = first_is_pre ? step.pre[r] : step.post[r];
    std::vector<float>& others = mine.others[own.n];
    others.assign(values, values + first.n);
    for (const int32_t i : first.spiking) others[i] = 0.0f;
    own.add(r, others.data());
  }
  change(edge, first_is_pre, step, every, first.spiking, w);
  change(edge, !first_is_pre, step, own, second.spiking, w);
}

// kinds: low and high, as bits; then for each term its power, and 1 where it is sparse on the pre
// side. vectors: those of the post side, then those of the pre side, one of each a term.
static ffi::Error Change(Indices table, Indices kinds, Floats, Floats factor,
                         ffi::RemainingArgs vectors, Result weights) {
  if (table.element_count() < 4) return ffi::Error::InvalidArgument("no table of an edge");
  if (vectors.size() > 2 * kMostTerms) return ffi::Error::InvalidArgument("too many terms");
  const Edge edge(table.typed_data());
  const int32_t* kind = kinds.typed_data();
  const float* starts[2 * kMostTerms];
  Step step;
  step.n = static_cast<int>(vectors.size() / 2);
  std::memcpy(&step.low, kind, sizeof(float));
  std::memcpy(&step.high, kind + 1, sizeof(float));
  for (int r = 0; r < step.n; ++r) {
    step.linear[r] = kind[2 + 2 * r] != 0;
    step.at_pre[r] = kind[3 + 2 * r] != 0;
  }
  for (int r = 0; r < 2 * step.n; ++r) starts[r] = vectors.get<Floats>(r)->typed_data();

  Memory& mine = memory();
  const int64_t lives = factor.element_count();
  for (int64_t life = 0; life < lives; ++life) {
    step.factor = factor.typed_data()[life];
    for (int r = 0; r < step.n; ++r) {
      step.post[r] = starts[r] + life * edge.n_post;
      step.pre[r] = starts[step.n + r] + life * edge.n_pre;
    }
    change_life(edge, step, mine, weights->typed_data() + life * edge.n_synapses);
  }
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(MetaplastSend, Send,
                              ffi::Ffi::Bind()
                                  .Arg<Indices>()  // table
                                  .Arg<Floats>()   // weights
                                  .Arg<Floats>()   // spikes
                                  .Ret<Floats>()); // drive

XLA_FFI_DEFINE_HANDLER_SYMBOL(MetaplastChange, Change,
                              ffi::Ffi::Bind()
                                  .Arg<Indices>()  // table
                                  .Arg<Indices>()  // kinds
                                  .Arg<Floats>()   // weights
                                  .Arg<Floats>()   // factor
                                  .RemainingArgs()
                                  .Ret<Floats>()); // weights
