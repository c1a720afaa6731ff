// GPT-2 on a GPU, 2 layers: gradients and AdamW.
#include "gpt2_training.cuh"

int main() { return train_once<2>(); }
