// Synapses from spike to spike, as XLA calls: what metaplast/connections/_events.py computes, in single precision. A step
// touches only synapses of neurons that spiked in it, and changes the weights in place.
//
// Every array but the table has lives along its first axis, which are worked through one after the other.

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

// The synapses of an edge. A matrix lies row by row, one row a postsynaptic neuron. A list is ordered by presynaptic
// neuron: those of i are leaving[i] to leaving[i + 1]; the k-th onto j, from arriving[j] on, comes from source[k] and lies
// at place[k]. The table is n_post, n_pre, the number of synapses, 1 for a list; then for a list the five arrays.
struct Edge {
  int32_t n_post, n_pre, n_synapses;
  bool list;
  const int32_t *__restrict leaving, *__restrict post, *__restrict arriving, *__restrict source, *__restrict place;

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
    bits.assign((size + 31) / 32, 0);
  }

  // Adds the neurons at which a vector is not 0.
  void mark(const float* __restrict values) {
    uint32_t* __restrict words = bits.data();
    const int32_t whole = n / 32;
    for (int32_t k = 0; k < whole; ++k) {
      uint32_t word = 0;
      for (int32_t b = 0; b < 32; ++b) word |= (values[32 * k + b] != 0.0f ? 1u : 0u) << b;
      words[k] |= word;
    }
    for (int32_t i = 32 * whole; i < n; ++i) words[whole] |= (values[i] != 0.0f ? 1u : 0u) << (i % 32);
  }

  void collect() {
    spiking.clear();
    for (size_t k = 0; k < bits.size(); ++k) {
      for (uint32_t word = bits[k]; word; word &= word - 1) {
        spiking.push_back(static_cast<int32_t>(32 * k) + __builtin_ctz(word));
      }
    }
  }
};

struct Memory {  // of a thread, so that no step allocates
  Side post, pre;
  std::vector<float> masked[kMostTerms];
};

__attribute__((noinline)) static Memory& memory() {
  thread_local Memory mine;
  return mine;
}

// The memory of a neuron's synapses is far from the one before: it is fetched while that is worked through.
template <typename T>
static void fetch(const T* __restrict values, int32_t begin, int32_t end) {
  for (int32_t k = begin; k < end; k += 64 / sizeof(T)) __builtin_prefetch(values + k);
}

static void send(const Edge& edge, const std::vector<int32_t>& spiking, const float* __restrict x,
                 const float* __restrict w, float* __restrict sum) {
  const int32_t n = static_cast<int32_t>(spiking.size());
  const int32_t* __restrict neurons = spiking.data();
  if (edge.list) {
    const int32_t* __restrict post = edge.post;
    std::fill(sum, sum + edge.n_post, 0.0f);
    for (int32_t s = 0; s < n; ++s) {
      const int32_t i = neurons[s];
      if (s + 1 < n) {
        const int32_t next = neurons[s + 1];
        fetch(w, edge.leaving[next], edge.leaving[next + 1]);
        fetch(post, edge.leaving[next], edge.leaving[next + 1]);
      }
      const float sent = x[i];
      const int32_t stop = edge.leaving[i + 1];
      for (int32_t k = edge.leaving[i]; k < stop; ++k) sum[post[k]] += w[k] * sent;
    }
    return;
  }
  for (int32_t j = 0; j < edge.n_post; ++j) {
    const float* __restrict row = w + int64_t(j) * edge.n_pre;
    float total = 0.0f;
    for (int32_t s = 0; s < n; ++s) total += row[neurons[s]] * x[neurons[s]];
    sum[j] = total;
  }
}

static ffi::Error Send(Indices table, Floats weights, Floats spikes, Result drive) {
  const Edge edge(table.typed_data());
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

// N products near_r far_r w^power_r at the synapses between a neuron, whose factors are `near`, and those on its far side.
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

template <int N>
__attribute__((noinline)) static std::vector<Terms<N>>& terms_memory() {
  thread_local std::vector<Terms<N>> mine;
  return mine;
}

struct Step {
  int n;                         // terms
  float factor, low, high;
  const float* post[kMostTerms];
  const float* pre[kMostTerms];
  bool linear[kMostTerms], at_pre[kMostTerms];
};

// Changes the synapses of the neurons of one side by the N terms `which`.
template <int N, bool kPre>
static void visit(const Edge& edge, const Step& step, const int* which, const float* const* far,
                  const std::vector<int32_t>& spiking, float* __restrict w) {
  const int32_t n = static_cast<int32_t>(spiking.size());
  const int32_t* __restrict neurons = spiking.data();
  const auto terms_of = [&](int32_t at) {
    Terms<N> terms;
    for (int r = 0; r < N; ++r) {
      const int t = which[r];
      terms.near[r] = step.factor * (kPre ? step.pre[t][at] : step.post[t][at]);
      terms.far[r] = far[r];
      terms.linear[r] = step.linear[t];
    }
    terms.low = step.low;
    terms.high = step.high;
    return terms;
  };
  if (kPre && !edge.list) {  // row by row: a column of a matrix is far apart
    std::vector<Terms<N>>& all = terms_memory<N>();
    all.clear();
    for (int32_t s = 0; s < n; ++s) all.push_back(terms_of(neurons[s]));
    const Terms<N>* __restrict terms = all.data();
    for (int32_t j = 0; j < edge.n_post; ++j) {
      float* __restrict row = w + int64_t(j) * edge.n_pre;
      for (int32_t s = 0; s < n; ++s) row[neurons[s]] = terms[s].moved(row[neurons[s]], j);
    }
    return;
  }
  for (int32_t s = 0; s < n; ++s) {
    const int32_t at = neurons[s];
    const int32_t next = neurons[std::min(s + 1, n - 1)];
    const Terms<N> terms = terms_of(at);
    if (edge.list && kPre) {
      fetch(w, edge.leaving[next], edge.leaving[next + 1]);
      fetch(edge.post, edge.leaving[next], edge.leaving[next + 1]);
      const int32_t stop = edge.leaving[at + 1];
#pragma GCC ivdep
      for (int32_t k = edge.leaving[at]; k < stop; ++k) w[k] = terms.moved(w[k], edge.post[k]);
    } else if (edge.list) {
      fetch(edge.source, edge.arriving[next], edge.arriving[next + 1]);
      fetch(edge.place, edge.arriving[next], edge.arriving[next + 1]);
      const int32_t stop = edge.arriving[at + 1];
      for (int32_t k = edge.arriving[at]; k < stop; ++k) {
        const int32_t place = edge.place[k];
        w[place] = terms.moved(w[place], edge.source[k]);
      }
    } else {
      float* __restrict row = w + int64_t(at) * edge.n_pre;
#pragma GCC ivdep
      for (int32_t i = 0; i < edge.n_pre; ++i) row[i] = terms.moved(row[i], i);
    }
  }
}

template <bool kPre>
static void visit_all(const Edge& edge, const Step& step, int n, const int* which, const float* const* far,
                      const std::vector<int32_t>& spiking, float* w) {
  switch (n) {
    case 1: visit<1, kPre>(edge, step, which, far, spiking, w); break;
    case 2: visit<2, kPre>(edge, step, which, far, spiking, w); break;
    case 3: visit<3, kPre>(edge, step, which, far, spiking, w); break;
    case 4: visit<4, kPre>(edge, step, which, far, spiking, w); break;
  }
}

// kinds: low and high, as bits; then for each term its power and 1 where it is sparse on the pre side.
// The vectors are those of the post, then those of the pre side.
static ffi::Error Change(Indices table, Indices kinds, Floats, Floats factor, ffi::RemainingArgs vectors, Result weights) {
  const Edge edge(table.typed_data());
  const int32_t* kind = kinds.typed_data();
  Step step;
  step.n = static_cast<int>(vectors.size() / 2);
  std::memcpy(&step.low, kind, sizeof(float));
  std::memcpy(&step.high, kind + 1, sizeof(float));
  const int64_t lives = factor.element_count();

  Memory& mine = memory();
  Side &post = mine.post, &pre = mine.pre;
  int every[kMostTerms], own[kMostTerms];
  int n_own = 0;
  const float* starts[2 * kMostTerms];
  for (int r = 0; r < 2 * step.n; ++r) starts[r] = vectors.get<Floats>(r)->typed_data();

  // One side is visited with all terms, the other one with its own, and with 0 at neurons that spike on the first: a
  // synapse between two spiking neurons is changed once.
  const bool whole_is_pre = edge.list;
  for (int r = 0; r < step.n; ++r) {
    step.linear[r] = kind[2 + 2 * r] != 0;
    step.at_pre[r] = kind[3 + 2 * r] != 0;
    every[r] = r;
    if (step.at_pre[r] != whole_is_pre) own[n_own++] = r;
  }
  Side &whole = whole_is_pre ? pre : post;
  for (int64_t life = 0; life < lives; ++life) {
    float* w = weights->typed_data() + life * edge.n_synapses;
    step.factor = factor.typed_data()[life];
    post.clear(edge.n_post);
    pre.clear(edge.n_pre);
    for (int r = 0; r < step.n; ++r) {
      step.post[r] = starts[r] + life * edge.n_post;
      step.pre[r] = starts[step.n + r] + life * edge.n_pre;
      step.at_pre[r] ? pre.mark(step.pre[r]) : post.mark(step.post[r]);
    }
    post.collect();
    pre.collect();

    const float* far[kMostTerms];
    for (int r = 0; r < n_own; ++r) {
      const float* values = whole_is_pre ? step.pre[own[r]] : step.post[own[r]];
      mine.masked[r].assign(values, values + whole.n);
      float* masked = mine.masked[r].data();
      for (const int32_t i : whole.spiking) masked[i] = 0.0f;
      far[r] = masked;
    }
    if (whole_is_pre) {
      visit_all<true>(edge, step, step.n, every, step.post, pre.spiking, w);
      visit_all<false>(edge, step, n_own, own, far, post.spiking, w);
    } else {
      visit_all<false>(edge, step, step.n, every, step.pre, post.spiking, w);
      visit_all<true>(edge, step, n_own, own, far, pre.spiking, w);
    }
  }
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    MetaplastSend, Send,
    ffi::Ffi::Bind().Arg<Indices>().Arg<Floats>().Arg<Floats>().Ret<Floats>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    MetaplastChange, Change,
    ffi::Ffi::Bind().Arg<Indices>().Arg<Indices>().Arg<Floats>().Arg<Floats>().RemainingArgs().Ret<Floats>());
