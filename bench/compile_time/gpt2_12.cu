// GPT-2 on a GPU, 12 layers: GPT-2 124M: gradients and AdamW.
#include "gpt2_training.cuh"

int main() { return train_once<12>(); }
