#ifndef THREADS_HPP
#define THREADS_HPP

#include <future>
#include <vector>

// Calls work(t) on as many threads. All have ended before one throws what it threw.
template <class Work> void on_all(unsigned threads, Work work)
{
    std::vector<std::future<void>> running;
    for (unsigned t = 0; t < threads; t++)
        running.push_back(std::async(std::launch::async, work, t));
    for (std::future<void> &thread : running)
        thread.wait();
    for (std::future<void> &thread : running)
        thread.get();
}

#endif
