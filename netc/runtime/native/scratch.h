// Memory that a kernel keeps between runs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace netc {

// Each run takes its own piece until it releases it, so simultaneous runs share none.
class ScratchPool {
 public:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  struct Piece {
    std::unique_ptr<float, Free> data;
    size_t size = 0;
  };

  // A piece that is returned when its user is done.
  class Scratch {
   public:
    Scratch(ScratchPool& pool, Piece piece)
        : pool_(&pool), piece_(std::move(piece)) {}
    Scratch(Scratch&& other) = default;
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
      if (piece_.data) pool_->give_back(std::move(piece_));
    }
    float* data() const { return piece_.data.get(); }

   private:
    ScratchPool* pool_;
    Piece piece_;
  };

  // Returns at least `size` floats; their content is arbitrary.
  Scratch take(int64_t size);

 private:
  void give_back(Piece piece);
  std::mutex lock_;
  std::vector<Piece> pieces_;
};

}  // namespace netc
