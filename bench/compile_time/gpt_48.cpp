// GPT, 48 layers of 384: gradients, AdamW, evaluation.
#include "gpt_training.hpp"

int main() { return train_once<48>(); }
